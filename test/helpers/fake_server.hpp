// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"

#include <ivshmem/device.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace test {

using ivshmem::unique_fd;

inline constexpr std::size_t memory_bytes = 16384;

unique_fd make_eventfd(int flags = 0);
unique_fd make_memfd(std::size_t size = memory_bytes);
/// Reads and resets the counter of an eventfd; returns 0 if it was not signalled.
std::uint64_t counter(const unique_fd& eventfd);

/// A server's end of one connection: sends any messages, split in any way. Throws
/// std::runtime_error on failure, so that it can run in any thread. A client may leave between any
/// two messages: that is no failure.
class connection {
  public:
    connection() = default;
    explicit connection(unique_fd socket) : socket_{std::move(socket)} {}

    /// Sends a message with any number of descriptors.
    void send(std::int64_t value, std::span<const int> fds = {}) const;
    void send(std::int64_t value, const unique_fd& fd) const;
    /// Sends any bytes.
    void send_bytes(std::span<const unsigned char> bytes, std::span<const int> fds = {}) const;
    /// @return false if the client is gone or reads no more.
    bool try_send(std::int64_t value, std::span<const int> fds = {}) const;
    void close() { socket_.reset(); }
    [[nodiscard]] int fd() const { return socket_.get(); }

  private:
    unique_fd socket_;
};

/// The objects that a correct server has sent to one client.
struct client_side {
    connection link;
    unique_fd memory;
    std::vector<unique_fd> own;                 ///< by vector
    std::vector<std::vector<unique_fd>> others; ///< in the order of greeting::others
};

struct greeting {
    std::uint16_t id = 7;
    std::uint32_t vectors = 1;
    std::vector<std::uint16_t> others{};
};

/// A listening socket in its own folder, and a script that serves clients.
class fake_server {
  public:
    explicit fake_server(int backlog = 8);
    fake_server(const fake_server&) = delete;
    fake_server& operator=(const fake_server&) = delete;
    ~fake_server();

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] ivshmem::selector selector() const { return ivshmem::selector::server(path_); }
    [[nodiscard]] connection accept() const;
    void stop_listening() { listener_.reset(); }

    /// Greets one client according to the protocol.
    [[nodiscard]] client_side greet(const greeting& how) const;

  private:
    std::string folder_;
    std::string path_;
    unique_fd listener_;
};

/// The result of an attempt to open a device, by both twins.
struct outcome {
    ivshmem::device dev;
    std::error_code code;
    std::string what;
};

/// Opens a device while `script` serves it in another thread, first with the error_code twin, then
/// with the throwing one. Keeps the result of the script until the device is open. Checks that both
/// twins report the same, and that failures leave no descriptor and no mapping.
outcome open_with(const fake_server& server, const std::function<connection()>& script,
                  const ivshmem::open_options& options = {});

/// An open device and the server's end of its connection.
struct session {
    explicit session(const greeting& how = {}, const ivshmem::open_options& options = {});

    fake_server server;
    client_side side;
    ivshmem::device dev;
};

/// Joins a peer with one vector for each descriptor.
void join(const connection& link, std::uint16_t id, const std::vector<unique_fd>& vectors);
[[nodiscard]] std::vector<unique_fd> make_eventfds(std::uint32_t count);

} // namespace test
