// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"
#include "places.hpp"
#include "service/peer_process.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <system_error>

#include <sys/types.h>

namespace ivshmem_server {

using steady = std::chrono::steady_clock;

/// A client: its connection, place and pending messages.
///
/// The queue of a slow client is bounded. A join and a departure that are both pending are dropped
/// together, so the queue holds at most the present peers and the departures of peers that the
/// client knows.
class client {
  public:
    using socket_type = boost::asio::local::stream_protocol::socket;

    explicit client(socket_type socket);

    void join(place p) { place_ = std::move(p); }
    /// Returns its place, and keeps no descriptor but the connection. The id stays known.
    place leave() {
        output_.clear(); // its messages hold the descriptors of others
        return {place_.id, std::exchange(place_.vectors, nullptr)};
    }
    [[nodiscard]] std::uint16_t id() const { return place_.id; }
    [[nodiscard]] const place& its_place() const { return place_; }
    [[nodiscard]] socket_type& socket() { return socket_; }
    [[nodiscard]] const std::string& process() const { return process_.name; } ///< for messages
    [[nodiscard]] uid_t uid() const { return process_.uid; }

    /// Queues a message. flush() sends the messages in this order.
    void queue_number(std::int64_t value);
    void queue_memory(const ivshmem::unique_fd& memory);
    /// Queues the join of a peer, unless the client knows that id with the same eventfds.
    /// @return whether it was queued.
    bool queue_peer(const place& peer);
    /// Queues the departure of a peer that the client knows.
    /// @param departures Whether to announce departures at all.
    /// @return whether the client was not told of the peer after all.
    bool queue_departure(std::uint16_t peer, bool departures);

    /// Returns the ids that the client was told of, or is about to be.
    [[nodiscard]] const id_set& known() const { return known_; }

    enum class output {
        done,      ///< all messages were sent
        full,      ///< its socket is full (EAGAIN)
        congested, ///< no more descriptors may be sent until some client reads (ETOOMANYREFS)
        broken,    ///< the connection failed: see the error code
    };
    /// Sends as many messages as possible without blocking.
    /// @param most The most descriptors to send.
    output flush(std::size_t most, std::error_code& ec);

    /// Asks the kernel for the messages in its socket that the client has not read.
    void measure_unread();
    /// Returns the result of the last measure_unread(): an upper bound, 0 only if there are none.
    [[nodiscard]] std::size_t unread() const { return unread_; }
    /// Returns the last time at which the socket had no unread message. The server measures before
    /// it sends, so a client that reads is seen without any even if there are always new ones.
    [[nodiscard]] steady::time_point caught_up() const { return caught_up_; }
    /// Sets that time to now, because it was not measured before.
    void begin_to_catch_up() { caught_up_ = steady::now(); }
    /// Returns the last time at which a message was sent or none was pending.
    [[nodiscard]] steady::time_point progress() const { return progress_; }

    // For the server.
    bool watched = false;              ///< a wait for space in the socket is pending
    output last_output = output::done; ///< the last result of flush()
    bool gone = false;                 ///< left or dropped
    std::size_t counted = 0;           ///< the part of the server's sum of unread messages
    unsigned shares_read = 0;          ///< how many shares of descriptors it read in a row
    boost::asio::steady_timer next_share;

  private:
    struct message {
        std::int64_t value = 0;
        bool bare = true;                        ///< sent without a descriptor
        std::span<const ivshmem::unique_fd> fds; ///< one copy of the message is sent with each
        std::shared_ptr<const eventfds> owner;   ///< keeps fds open
        bool begun = false;                      ///< some of them were sent
    };

    socket_type socket_;
    place place_;
    std::deque<message> output_;
    id_set known_;
    id_set unsent_; ///< those in output_ with descriptors
    service::peer_process process_;
    std::size_t unread_ = 0;
    steady::time_point caught_up_ = steady::now();
    steady::time_point progress_ = steady::now();
};

} // namespace ivshmem_server
