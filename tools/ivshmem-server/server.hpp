// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "client.hpp"
#include "ids.hpp"
#include "region.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace ivshmem_server {

/// The limits and rules for the clients of a server.
struct client_policy {
    unsigned vectors = 1;
    unsigned max_clients = 1;
    bool departures = true;
    std::chrono::seconds stall_timeout{30}; ///< 0: no limit
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

    void accept();
    void accepted(client::socket_type socket);
    void join(const client_ptr& c);
    /// Disconnects the client. announce_departures() informs the others later.
    void drop(const client_ptr& c, const std::string& why);
    /// Announces dropped clients to the others, and repeats this if that drops more clients.
    void announce_departures();
    void flush(const client_ptr& c);
    void watch_input(const client_ptr& c);
    void watch_output(const client_ptr& c);
    /// Schedules check(), which repeats itself while clients are behind.
    void schedule_check();
    void check();
    void log_congestion() const;
    void drop_stalled();

    acceptor_type acceptor_;
    boost::asio::steady_timer accept_pause_;
    boost::asio::steady_timer check_timer_;
    bool check_scheduled_ = false;
    bool accept_paused_ = false;
    bool congested_ = false;
    region memory_;
    client_policy policy_;
    ids ids_;
    logical_time now_ = 0;
    std::vector<client_ptr> clients_; ///< in the order in which they joined
    std::vector<client_ptr> dropped_; ///< not yet announced to the others
};

} // namespace ivshmem_server
