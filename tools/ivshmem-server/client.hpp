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

/// A client: its connection, its id, its eventfds, and what it has yet to be told.
///
/// What waits for a slow client cannot grow without bound: of a peer that comes and goes while the
/// client does not read, nothing waits; so there are at most the peers there are and the departures
/// of those that it was told of.
class client {
  public:
    using socket_type = boost::asio::local::stream_protocol::socket;

    /// Creates the eventfds.
    /// @param ec Set where no descriptor is free.
    client(socket_type socket, unsigned vectors, std::error_code& ec);

    void join(std::uint16_t id, logical_time now) {
        id_ = id;
        joined_ = now;
    }
    [[nodiscard]] std::uint16_t id() const { return id_; }
    [[nodiscard]] logical_time joined() const { return joined_; }
    [[nodiscard]] socket_type& socket() { return socket_; }
    [[nodiscard]] const std::string& process() const { return process_; } ///< for messages

    /// What the client is told, in this order, as flush() gets it through.
    void queue_number(std::int64_t value);
    void queue_memory(const ivshmem::unique_fd& memory);
    void queue_peer(const client& peer);
    /// @param departures Whether the client is told at all.
    void queue_departure(const client& peer, bool departures);

    enum class output {
        done,      ///< the client has been told everything
        full,      ///< its socket takes no more
        congested, ///< Linux carries no more descriptors until some have been read, by anyone
        broken,    ///< the connection is of no more use: see the error code
    };
    /// Sends what can be sent without waiting.
    output flush(std::error_code& ec);

    /// Whether the client has not read something that it was sent.
    [[nodiscard]] bool has_unread() const;
    /// When something was sent, or there was nothing to send, for the last time.
    [[nodiscard]] steady::time_point progress() const { return progress_; }

    // For the server.
    bool watched = false;              ///< a wait for room in the socket is under way
    output last_output = output::done; ///< what flush() said
    bool gone = false;                 ///< left or dropped

  private:
    struct message {
        std::int64_t value = 0;
        bool bare = true;                        ///< no descriptor goes with it
        std::span<const ivshmem::unique_fd> fds; ///< one copy of the message with each
        bool begun = false;                      ///< some of them have gone
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
