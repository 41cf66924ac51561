// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "connections/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>

namespace connections {

/// The states of all connections of one channel, at one side, without sockets: which frames are
/// allowed, and which is sent next.
///
/// It queues no frame, only that there is something to send, so a peer that sends much and takes
/// nothing costs a fixed amount of memory for each of the connections that it was promised.
class session {
  public:
    enum class side { client, service };

    /// The meaning of a frame that arrived.
    struct event {
        enum class kind {
            nothing,  ///< nothing to do
            greeted,  ///< the peer's HELLO: a client may open connections
            opened,   ///< a service calls accept() or reset()
            accepted, ///< the client's connection is there
            data,     ///< bytes; the owner calls taken() when it has room for more
            finished, ///< no more bytes follow
            reset,    ///< the connection is gone, after the bytes that arrived before
            bye,      ///< the peer ends all, for a reason
            fault,    ///< the peer broke a rule: end() was called
        };
        kind what = kind::nothing;
        std::uint32_t connection = 0;
        reason why = reason::none;
        std::span<const std::byte> bytes{};
    };

    /// The next thing to send.
    struct turn {
        enum class kind {
            none,  ///< nothing now
            frame, ///< `size` bytes were written
            data,  ///< up to `size` bytes of data may be sent: see put_data()
        };
        kind what = kind::none;
        std::uint32_t connection = 0;
        std::size_t size = 0;
    };

    /// @param own The promises of this side. A client promises no connections.
    session(side which, limits own);

    /// Takes a message of the channel.
    [[nodiscard]] event receive(std::span<const std::byte> message);
    /// Returns what to send, in turn over the connections.
    /// @param into At least control_frame bytes, for a frame.
    [[nodiscard]] turn next(std::span<std::byte> into);
    /// Sends `size` bytes of a connection's data, at most those of the turn: writes the head, which
    /// the caller sends with the bytes after it. 0: there were none, and set_ready() comes later.
    void put_data(std::uint32_t connection, std::size_t size, std::span<std::byte> head);

    /// Opens a connection of a client. Nothing if the peer has not greeted, promised no more, or
    /// the end has come.
    [[nodiscard]] std::optional<std::uint32_t> open();
    void accept(std::uint32_t connection);
    /// There is data to send.
    void set_ready(std::uint32_t connection);
    /// No more data will be sent, after that which was.
    void finish(std::uint32_t connection);
    /// Ends a connection in both directions.
    void reset(std::uint32_t connection, reason why);
    /// The owner has got rid of received bytes.
    void taken(std::uint32_t connection, std::size_t size);
    /// Asks the peer for a sign of life.
    void ping() { wants_ping_ = true; }
    /// Ends all: BYE is sent, and nothing after it.
    void end(reason why);

    [[nodiscard]] bool greeted() const { return greeted_; }
    [[nodiscard]] bool ended() const { return ended_; }
    /// Whether the connection is open in some direction.
    [[nodiscard]] bool has(std::uint32_t connection) const { return table_.contains(connection); }
    /// Whether FINISH was sent, and the peer's has not come.
    [[nodiscard]] bool has_finished(std::uint32_t connection) const;
    /// Whether bytes may be sent now.
    [[nodiscard]] bool has_credit(std::uint32_t connection) const;
    [[nodiscard]] std::size_t size() const { return table_.size(); }

  private:
    struct connection {
        std::uint32_t credit = 0;  ///< bytes that may be sent
        std::uint32_t allowed = 0; ///< bytes that the peer may send
        std::uint32_t owed = 0;    ///< bytes for the next WINDOW
        reason why = reason::none;
        bool accepted = false;
        bool wants_accept = false;
        bool ready = false;
        bool finishing = false;
        bool finish_sent = false;
        bool finish_received = false;
        bool resetting = false;
    };
    using table = std::unordered_map<std::uint32_t, connection>;

    event receive_hello(const frame& f);
    event receive_open(const frame& f);
    event receive_of(table::iterator at, const frame& f);
    event break_off();
    [[nodiscard]] bool owes_window(const connection& c) const;
    [[nodiscard]] bool has_turn(const connection& c) const;
    void enqueue(std::uint32_t id, const connection& c);
    void erase(table::iterator at);
    void end_if_finished(table::iterator at);
    turn next_of(table::iterator at, std::span<std::byte> into);

    side side_;
    limits own_;
    limits peer_{};
    table table_;
    std::set<std::uint32_t> queue_; ///< the connections that have something to send
    std::uint32_t turn_ = 0;        ///< the connection that sent last
    std::uint32_t last_ = 0;        ///< the last connection that was opened
    std::uint32_t last_sent_ = 0;   ///< the last one whose OPEN was sent
    reason end_reason_ = reason::none;
    bool wants_hello_;
    bool wants_ping_ = false;
    bool wants_pong_ = false;
    bool wants_bye_ = false;
    bool greeted_ = false;
    bool ended_ = false;
};

} // namespace connections
