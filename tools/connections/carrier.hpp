// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "connections/end_point.hpp"
#include "connections/frame.hpp"
#include "connections/session.hpp"

#include <ivshmem/asio/channel.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <unordered_map>
#include <vector>

namespace connections {

/// The end of a connection, for a line of log.
struct ending {
    std::uint64_t sent = 0;     ///< bytes to the peer
    std::uint64_t received = 0; ///< bytes from the peer
    reason why = reason::none;  ///< none: both sides have finished
    std::error_code local{};    ///< the error of the local end, with reason::broken
};

/// Returns "closed", or the reason with its details.
[[nodiscard]] std::string text_of(const ending& how);

/// Joins the connections of a channel with sockets.
///
/// It runs on one thread, that of the channel's slot. Without connections it does not wake up.
class carrier : public std::enable_shared_from_this<carrier> {
  public:
    using on_end = std::function<void(const ending&)>;

    struct hooks {
        /// A client may open connections.
        std::function<void()> greeted;
        /// A client opened a connection: call join() or refuse(), now or later.
        std::function<void(std::uint32_t connection)> opened;
    };

    /// The end of the channel: a reason, or the error of the channel.
    struct outcome {
        reason why = reason::none;
        std::error_code failed{};

        [[nodiscard]] std::string text() const;
    };

    /// Silence of the peer after which it is asked, and after which it counts as gone.
    static constexpr std::chrono::seconds ping_period{5};
    static constexpr int silent_periods = 6;
    /// Messages after which other handlers run.
    static constexpr int share = 64;

    carrier(ivshmem::asio::channel over, session::side which, const limits& own, hooks h);

    /// Carries until the channel ends. Then all connections have ended, except those whose peer had
    /// sent all: their last bytes wait until a slow program takes them.
    [[nodiscard]] boost::asio::awaitable<outcome> run();

    /// Opens a connection of a client. Calls `ended` once, perhaps at once.
    void open(end_point local, on_end ended);
    /// Accepts a connection that a client opened. The same.
    void join(std::uint32_t connection, end_point local, on_end ended);
    void refuse(std::uint32_t connection, reason why);
    /// Ends all connections; run() returns once the peer was told.
    void end(reason why);

    /// Whether the channel has ended; connections() says what is left.
    [[nodiscard]] bool is_over() const { return over_; }
    [[nodiscard]] std::size_t connections() const { return joints_.size(); }
    [[nodiscard]] std::uint32_t peer_slot() const { return peer_slot_; }

  private:
    /// A connection and its local end.
    struct joint {
        joint(std::uint32_t number, end_point end, on_end f)
            : id{number}, local{std::move(end)}, ended{std::move(f)} {}

        std::uint32_t id;
        end_point local;
        on_end ended;
        std::vector<std::byte> pending{}; ///< received, not written yet
        std::size_t written = 0;          ///< of `pending`
        ending so_far{};
        bool waits_input = false;
        bool waits_output = false;
        bool input_ended = false;
        bool output_failed = false;
        bool finish_received = false;
        bool over = false; ///< closed: waits that are under way do nothing
    };
    using joint_ptr = std::shared_ptr<joint>;

    boost::asio::awaitable<void> receive_all();
    boost::asio::awaitable<void> say_farewell();
    boost::asio::awaitable<void> send_all();
    boost::asio::awaitable<bool> send_frame(std::size_t size);
    boost::asio::awaitable<bool> send_data(const session::turn& t);
    void handle(std::span<const std::byte> message);
    void handle_data(const session::event& e);
    void kick();

    void add(std::uint32_t id, end_point local, on_end ended);
    joint_ptr find(std::uint32_t id) const;
    ssize_t read_input(joint& j, std::span<std::byte> into);
    void watch_input(const joint_ptr& j);
    void watch_output(const joint_ptr& j);
    void write_pending(const joint_ptr& j);
    void output_is_broken(joint& j, int number);
    void finish_output(joint& j);
    void break_connection(joint& j, reason why, int number);
    void after_turn(std::uint32_t id);
    void end_if_over(joint& j);
    void end_with_channel(const joint_ptr& j);
    void close(joint& j);
    void close_all();
    void watch_life();
    [[nodiscard]] std::size_t longest_data() const;

    ivshmem::asio::channel channel_;
    std::uint32_t peer_slot_;
    session session_;
    limits own_;
    hooks hooks_;
    std::unordered_map<std::uint32_t, joint_ptr> joints_;
    std::vector<std::byte> scratch_; ///< the frame that waits for room
    boost::asio::steady_timer wake_; ///< of the sender
    boost::asio::cancellation_signal stop_receiving_;
    boost::asio::steady_timer done_; ///< ends when the sender does
    boost::asio::steady_timer life_;
    outcome outcome_{};
    int silent_ = 0;
    bool kicked_ = false;
    bool sending_ = false;
    bool watching_life_ = false;
    bool heard_ = false;
    bool over_ = false;
};

} // namespace connections
