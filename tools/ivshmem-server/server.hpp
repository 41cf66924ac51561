// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "client.hpp"
#include "places.hpp"
#include "region.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ivshmem_server {

/// The limits and rules for the clients of a server.
struct client_policy {
    unsigned vectors = 1;
    unsigned max_clients = 1;
    unsigned max_clients_per_uid = 0; ///< 0: no limit
    bool departures = true;
    std::chrono::seconds stall_timeout{30}; ///< 0: no limit
    /// The descriptors that may be in flight to all clients: RLIMIT_NOFILE for a process without
    /// CAP_SYS_RESOURCE.
    std::size_t max_in_flight = SIZE_MAX;
};

/// Serves the clients of one socket. Runs in the io_context's only thread.
class server {
  public:
    using acceptor_type = boost::asio::local::stream_protocol::acceptor;

    server(boost::asio::io_context& io, acceptor_type acceptor, region memory,
           const client_policy& policy, ids numbers = ids{});

    /// Closes all connections and accepts no more.
    void stop();

  private:
    using client_ptr = std::shared_ptr<client>;

    static constexpr std::chrono::milliseconds stall_again{500};

    void accept();
    void accepted(client::socket_type socket);
    /// Returns why the server has no room for this client; empty if it has.
    [[nodiscard]] std::string no_room(const client& c) const;
    void join(const client_ptr& c);
    /// Disconnects the client. announce_departures() informs the others later.
    void drop(const client_ptr& c, const std::string& why);
    /// Announces dropped clients to the others, and repeats this if that drops more clients.
    void announce_departures();
    /// Announces the departure of the client that had this place, and releases the place.
    void release(const place& p);
    /// Logs a change in the supply of ids, and releases the kept places when there are enough.
    void update_supply();

    // server_output.cpp
    void flush(const client_ptr& c);
    void watch_input(const client_ptr& c);
    void watch_output(const client_ptr& c);
    /// Sends the client its next share of descriptors soon.
    void send_next_share(const client_ptr& c);
    /// Schedules check() for then, or earlier. It repeats itself while clients are behind.
    void schedule_check(std::chrono::milliseconds pause);
    void check();
    void log_congestion() const;
    void drop_stalled();
    /// Returns how many descriptors may be sent to this client now.
    [[nodiscard]] std::size_t share(client& c);
    /// Updates the sum of unread messages for this client.
    void count_unread(client& c);
    void count_all_unread();
    void close_lingering();

    acceptor_type acceptor_;
    boost::asio::steady_timer accept_pause_;
    boost::asio::steady_timer check_timer_;
    bool check_scheduled_ = false;
    bool accept_paused_ = false;
    bool congested_ = false;
    bool congestion_logged_ = false;
    steady::time_point congested_since_;
    std::size_t in_flight_ = 0;      ///< an upper bound of the descriptors in flight
    steady::time_point counted_all_; ///< when the bound was exact
    region memory_;
    client_policy policy_;
    places places_;
    std::vector<client_ptr> clients_; ///< in the order in which they joined
    std::size_t most_clients_ = 0;    ///< since memory was given back
    std::vector<client_ptr> dropped_; ///< not yet announced to the others
    /// Disconnected clients that hold descriptors in flight: they neither read them nor closed
    /// their end.
    std::vector<client_ptr> lingering_;
};

} // namespace ivshmem_server
