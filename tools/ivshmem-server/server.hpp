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

/// What a server is told at its start.
struct client_policy {
    unsigned vectors = 1;
    unsigned max_clients = 1;
    bool departures = true;
    std::chrono::seconds stall_timeout{30}; ///< 0: for ever
};

/// Serves the clients of one socket. All of it runs in the io_context's one thread.
class server {
  public:
    using acceptor_type = boost::asio::local::stream_protocol::acceptor;

    server(boost::asio::io_context& io, acceptor_type acceptor, region memory,
           const client_policy& policy, ids numbers = ids{});

    /// Ends all connections and waits for no more.
    void stop();

  private:
    using client_ptr = std::shared_ptr<client>;

    void accept();
    void accepted(client::socket_type socket);
    void join(const client_ptr& c);
    /// Takes the client out; the others are told by announce_departures().
    void drop(const client_ptr& c, const std::string& why);
    /// Tells the others of those who were dropped, until nobody else is lost over that.
    void announce_departures();
    void flush(const client_ptr& c);
    void watch_input(const client_ptr& c);
    void watch_output(const client_ptr& c);
    /// Looks after the clients that are behind, again and again while there are any.
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
    std::vector<client_ptr> dropped_; ///< of whom the others have to be told
};

} // namespace ivshmem_server
