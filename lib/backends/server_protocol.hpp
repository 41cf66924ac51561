// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>

namespace ivshmem {

/// The protocol between an ivshmem server and its clients (QEMU, docs/specs/ivshmem-spec.rst,
/// "Client-Server protocol"): over a stream UNIX socket, from the server to the client only,
/// messages of 8 bytes, a little-endian signed number, with or without a descriptor.
///
/// A connection begins with: the version; the client's id; -1 with the shared memory; for every
/// present peer, its id with one eventfd for each vector; the client's own id with one eventfd for
/// each vector. Afterwards an id with a descriptor adds the next vector of that peer, and an id
/// without one means that the peer left.
namespace server_protocol {

inline constexpr std::int64_t version = 0;
inline constexpr std::int64_t shared_memory = -1; ///< in place of an id
inline constexpr std::int64_t max_id = 65535;     ///< the doorbell register has 16 bits for it
inline constexpr std::size_t message_size = 8;    ///< bytes

struct message {
    std::int64_t value = 0;
    unique_fd fd; ///< empty if none came with it
};

/// Sends one whole message, with fd unless it is -1. Never blocks, never raises SIGPIPE.
/// @return false if the socket's buffer is full (nothing was sent; try later), or on failure, with
/// ec set. After ETOOMANYREFS (too many descriptors in flight to all receivers) the same message
/// may be sent later. After any other failure the stream is unusable, also after a partly sent
/// message (std::errc::message_size), which Linux never does to 8 bytes.
bool send(int socket, std::int64_t value, int fd, std::error_code& ec);

/// Receives messages from a socket, in whatever pieces they arrive.
class receiver {
  public:
    /// Returns the next message; nothing if no whole message has arrived (the call never blocks),
    /// or on failure, which is one of errc::server_closed (between messages), errc::server_protocol
    /// (a message cut short by the end of the stream, more than one descriptor with a message),
    /// errc::descriptor_limit (a descriptor was lost, because no number was free), or a system
    /// error. After a failure the stream is out of sync: receive no more.
    /// @param name The socket's path, for messages.
    std::optional<message> next(int socket, const char* name, failure& f);

  private:
    enum class progress {
        none,  ///< no bytes are pending, or f is set
        part,  ///< some bytes, but not all
        whole, ///< the message is complete
    };
    /// Reads the available part of the current message, once.
    progress fill(int socket, const char* name, failure& f);

    std::array<unsigned char, message_size> bytes_{};
    std::size_t have_ = 0;
    unique_fd fd_;
};

} // namespace server_protocol
} // namespace ivshmem
