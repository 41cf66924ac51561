// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "messages.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ivshmem_device {

/// The limits of one message. A client is told of them when the version is negotiated.
struct packet_limits {
    static constexpr std::size_t data = 65536;       ///< bytes of one read or write
    static constexpr std::size_t bytes = 65536 + 64; ///< of a whole message
    static constexpr std::size_t descriptors = 16;
};

/// A request: the bytes after its header, and the descriptors that came with it.
struct packet {
    wire::header header;
    std::vector<std::byte> body;
    std::vector<ivshmem::unique_fd> fds;
};

/// Receives requests from a socket, in whatever pieces they arrive.
class packet_reader {
  public:
    /// Returns the next request; nothing if no whole one has arrived (the call never blocks), or on
    /// failure. std::errc::connection_reset means that the client closed the connection between
    /// two requests. After a failure the stream is out of sync: receive no more.
    std::optional<packet> next(int socket, ivshmem::failure& f);

  private:
    enum class progress {
        none, ///< no bytes are pending, or the failure is set
        some,
    };
    /// Reads at most these bytes, and the descriptors that come with them.
    progress receive(int socket, std::span<std::byte> to, ivshmem::failure& f);
    void check_header(ivshmem::failure& f) const;

    packet packet_;
    std::size_t have_ = 0; ///< bytes of the current request
};

/// The answer to a request.
struct answer {
    std::vector<std::byte> bytes; ///< the whole message; empty: none is sent
    int fd = -1;                  ///< goes with it; stays open with its owner

    /// Returns a reply to this request.
    static answer reply(const wire::header& request, std::span<const std::byte> body);
    /// Returns an error. @param number An errno, not 0: a client would take that for success.
    static answer error(const wire::header& request, int number);
};

/// Sends an answer, or the rest of one.
class packet_writer {
  public:
    /// Takes an answer. The one before must have been sent.
    void begin(answer what);
    /// Sends as much as possible without blocking, and returns whether all was sent.
    bool flush(int socket, ivshmem::failure& f);

  private:
    answer answer_;
    std::size_t sent_ = 0;
};

} // namespace ivshmem_device
