// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/server_protocol.hpp"
#include "helpers/server_process.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace host {

/// A bare client of an ivshmem server: a socket, and the messages that it received.
class raw_client {
  public:
    /// Connects, and reads nothing.
    explicit raw_client(const std::string& path);

    [[nodiscard]] int socket() const { return socket_.get(); }
    void close() { socket_.reset(); }

    /// Returns the next message, which must arrive before the deadline.
    ivshmem::server_protocol::message next();
    /// Returns whether no message is pending.
    bool silent();
    /// Returns whether the server closes the connection before the deadline. Ignores the messages
    /// before that.
    bool closed();

    // For many messages: only their totals are kept. Descriptors are closed.

    /// Reads all pending messages, without waiting.
    void read_all();
    /// Reads until all messages of its own join have arrived.
    bool joined(std::size_t vectors);
    /// Reads until it knows exactly these peers, each with all vectors.
    bool knows(const std::vector<std::int64_t>& peers, std::size_t vectors);

    [[nodiscard]] std::int64_t id() const { return id_; }
    [[nodiscard]] const std::map<std::int64_t, std::size_t>& peers() const { return peers_; }
    /// The number of peers whose departure it received.
    [[nodiscard]] std::size_t departures() const { return left_.size(); }
    [[nodiscard]] bool ended() const { return ended_; }
    /// The error in the order of the messages; empty if there is none.
    [[nodiscard]] const std::string& wrong() const { return wrong_; }

  private:
    /// Reads until a condition holds or the connection ends, without a pause between messages.
    template <typename Condition>
    bool reads_until(Condition&& condition);
    void take(const ivshmem::server_protocol::message& m);

    ivshmem::unique_fd socket_;
    ivshmem::server_protocol::receiver receiver_;
    bool ended_ = false;
    int initial_ = 0;      ///< the number of the three first messages that it has read
    std::int64_t id_ = -1; ///< its own id
    std::map<std::int64_t, std::size_t> peers_; ///< eventfds by id
    std::map<std::int64_t, bool> left_;         ///< ids seen to leave
    std::string wrong_;
};

} // namespace host
