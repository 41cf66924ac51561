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

/// A bare client of an ivshmem server: a socket, and what came from it.
class raw_client {
  public:
    /// Connects; reads nothing.
    explicit raw_client(const std::string& path);

    [[nodiscard]] int socket() const { return socket_.get(); }
    void close() { socket_.reset(); }

    /// The next message, within the deadline.
    ivshmem::server_protocol::message next();
    /// Whether no message is there.
    bool silent();
    /// Whether the server closes the connection before the deadline, whatever it sends until then.
    bool closed();

    // For many messages: what they say in sum. Descriptors are closed.

    /// Reads what there is, without waiting.
    void read_all();
    /// Reads until it has been told everything that there is to tell at a join.
    bool joined(std::size_t vectors);
    /// Reads until it knows exactly these peers, each with all vectors.
    bool knows(const std::vector<std::int64_t>& peers, std::size_t vectors);

    [[nodiscard]] std::int64_t id() const { return id_; }
    [[nodiscard]] const std::map<std::int64_t, std::size_t>& peers() const { return peers_; }
    /// How many peers it was told of that left.
    [[nodiscard]] std::size_t departures() const { return left_.size(); }
    [[nodiscard]] bool ended() const { return ended_; }
    /// What was wrong with the order of the messages; empty: nothing.
    [[nodiscard]] const std::string& wrong() const { return wrong_; }

  private:
    void take(const ivshmem::server_protocol::message& m);

    ivshmem::unique_fd socket_;
    ivshmem::server_protocol::receiver receiver_;
    bool ended_ = false;
    int initial_ = 0;                           ///< of the three first messages
    std::int64_t id_ = -1;                      ///< its own
    std::map<std::int64_t, std::size_t> peers_; ///< eventfds by id
    std::map<std::int64_t, bool> left_;         ///< ids seen to leave
    std::string wrong_;
};

} // namespace host
