// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"
#include "ids.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace ivshmem_server {

using steady = std::chrono::steady_clock;

/// A client: its connection, id, eventfds and pending messages.
///
/// The queue of a slow client is bounded. A join and a departure that are both pending are dropped
/// together, so the queue holds at most the present peers and the departures of peers that the
/// client knows.
class client {
  public:
    using socket_type = boost::asio::local::stream_protocol::socket;

    /// Creates the eventfds.
    /// @param ec Set if no descriptor is free (EMFILE, ENFILE).
    client(socket_type socket, unsigned vectors, std::error_code& ec);

    void join(std::uint16_t id, logical_time now) {
        id_ = id;
        joined_ = now;
    }
    [[nodiscard]] std::uint16_t id() const { return id_; }
    [[nodiscard]] logical_time joined() const { return joined_; }
    [[nodiscard]] socket_type& socket() { return socket_; }
    [[nodiscard]] const std::string& process() const { return process_; } ///< for messages

    /// Queues a message. flush() sends the messages in this order.
    void queue_number(std::int64_t value);
    void queue_memory(const ivshmem::unique_fd& memory);
    void queue_peer(const client& peer);
    /// @param departures Whether to announce departures at all.
    void queue_departure(const client& peer, bool departures);

    enum class output {
        done,      ///< all messages were sent
        full,      ///< its socket is full (EAGAIN)
        congested, ///< Linux passes no more descriptors until some client reads (ETOOMANYREFS)
        broken,    ///< the connection failed: see the error code
    };
    /// Sends as many messages as possible without blocking.
    output flush(std::error_code& ec);

    /// Returns whether the client has unread messages in its socket.
    [[nodiscard]] bool has_unread() const;
    /// Returns the last time at which a message was sent or none was pending.
    [[nodiscard]] steady::time_point progress() const { return progress_; }

    // For the server.
    bool watched = false;              ///< a wait for space in the socket is pending
    output last_output = output::done; ///< the last result of flush()
    bool gone = false;                 ///< left or dropped

  private:
    struct message {
        std::int64_t value = 0;
        bool bare = true;                        ///< sent without a descriptor
        std::span<const ivshmem::unique_fd> fds; ///< one copy of the message is sent with each
        bool begun = false;                      ///< some of them were sent
    };

    socket_type socket_;
    std::vector<ivshmem::unique_fd> vectors_;
    std::deque<message> output_;
    std::string process_;
    steady::time_point progress_ = steady::now();
    logical_time joined_ = 0;
    std::uint16_t id_ = 0;
};

} // namespace ivshmem_server
