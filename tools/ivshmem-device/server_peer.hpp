// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/server_protocol.hpp"
#include "base/doorbell_writer.hpp"
#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "link.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ivshmem_device {

/// A client of an ivshmem server, for one VM: its memory and id are the server's, it rings peers by
/// their eventfds, and its own eventfds ring the device.
///
/// Runs in the io_context's only thread. Its handlers keep it alive until close().
class server_peer : public std::enable_shared_from_this<server_peer> {
  public:
    /// Called once: when the id and the memory have arrived, or with a failure.
    using joined = std::function<void(const ivshmem::failure&)>;

    /// @param path The server's socket.
    /// @param vectors The vectors that the device has. Those that the server gives beyond are not
    /// used, and those that it lacks never ring.
    /// @param name The VM, for messages.
    server_peer(boost::asio::io_context& io, std::string path, unsigned vectors, std::string name);

    /// Connects, and reads the greeting, within 4 s: QEMU waits 5 s for the device.
    void join(joined done);
    /// Leaves the server. No handler runs afterwards.
    void close();

    [[nodiscard]] std::uint16_t id() const { return *id_; }
    [[nodiscard]] const shared_memory& memory() const { return *memory_; }
    /// Sets the device that is rung, until close().
    void set_device(peer& device);
    void ring(std::uint16_t target, std::uint16_t vector);

  private:
    using descriptor = boost::asio::posix::stream_descriptor;

    void read();
    void take_all(ivshmem::failure& f);
    void take(ivshmem::server_protocol::message m, ivshmem::failure& f);
    void take_memory(ivshmem::unique_fd fd, ivshmem::failure& f);
    void add_vector(std::uint16_t peer_id, ivshmem::unique_fd fd, ivshmem::failure& f);
    void watch(unsigned vector);
    void finish(const ivshmem::failure& f);

    boost::asio::io_context& io_;
    std::string path_;
    unsigned vectors_;
    std::string name_;
    joined done_;
    bool closed_ = false;
    boost::asio::steady_timer limit_;
    descriptor socket_;
    ivshmem::server_protocol::receiver receiver_;
    ivshmem::doorbell_writer writer_;
    bool has_version_ = false;
    std::optional<std::uint16_t> id_;
    std::optional<shared_memory> memory_;
    std::map<std::uint16_t, std::vector<ivshmem::unique_fd>> peers_;
    std::vector<std::unique_ptr<descriptor>> own_; ///< its eventfds, by vector
    peer* device_ = nullptr;
};

/// A place at a server, which ends with it.
class server_membership final : public membership {
  public:
    server_membership(std::shared_ptr<server_peer> at, peer& device);
    server_membership(const server_membership&) = delete;
    server_membership& operator=(const server_membership&) = delete;
    ~server_membership() override;
    void ring(std::uint16_t target, std::uint16_t vector) override;

  private:
    std::shared_ptr<server_peer> at_;
};

} // namespace ivshmem_device
