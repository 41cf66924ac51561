// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "peers/ping_statistics.hpp"

#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/slot.hpp>
#include <ivshmem/device.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ivshmemctl {

/// What 'serve' offers, and 'ping' asks for.
inline constexpr const char* ping_service = "ivshmemctl ping";
/// The longest message that 'serve' answers; the shortest holds the number that it is known by.
inline constexpr std::uint32_t longest_ping = 1024 * 1024;
inline constexpr std::uint32_t shortest_ping = sizeof(std::uint64_t);

/// Sends messages to who offers ping_service, one at a time, and waits for each to come back.
class pinger {
  public:
    struct options {
        std::optional<std::uint16_t> peer{};  ///< empty: whoever serves
        std::optional<std::uint64_t> count{}; ///< empty: until stop()
        std::chrono::nanoseconds interval{};  ///< from one to the next, at least
        std::chrono::nanoseconds timeout{};   ///< how long to wait for each answer
        std::size_t size = 0;                 ///< shortest_ping to longest_ping
    };
    /// What became of a message.
    struct outcome {
        enum class kind {
            answered,
            late,       ///< answered after it had been reported as unanswered
            unanswered, ///< `why` has more
            wrong,      ///< something came that is no answer
        };
        kind what{};
        std::uint64_t sequence = 0;
        std::chrono::nanoseconds round_trip{};
        std::string why{};
    };

    pinger(ivshmem::device& device, ivshmem::asio::slot& slot, const options& how,
           std::function<void(const outcome&)> report);

    /// Completes after the last message, or stop().
    /// @throws ivshmem::error where there is no going on: the device was removed, say.
    boost::asio::awaitable<void> run();
    void stop();

    [[nodiscard]] const ping_statistics& statistics() const noexcept { return statistics_; }
    /// "peer 3 (slot 0)"; empty where nobody was found.
    [[nodiscard]] const std::string& peer_name() const noexcept { return peer_name_; }

  private:
    using clock = std::chrono::steady_clock;
    using error_code = boost::system::error_code;

    boost::asio::awaitable<error_code> probe();
    boost::asio::awaitable<error_code> connect();
    boost::asio::awaitable<void> watch();
    [[nodiscard]] std::optional<std::uint32_t> find_server() const;
    void check_device();
    bool is_answer(std::size_t size, clock::time_point sent);
    void conclude(const error_code& ec);
    void abandon();
    [[nodiscard]] bool over() const noexcept { return stopping_ || expired_; }
    void report_outcome(const outcome& o) const;

    ivshmem::device& device_;
    ivshmem::asio::slot& slot_;
    const options options_;
    const std::function<void(const outcome&)> report_;
    ping_statistics statistics_;
    std::string peer_name_;
    ivshmem::asio::channel channel_;

    std::uint64_t sequence_ = 0;
    clock::time_point sent_{};
    std::map<std::uint64_t, clock::time_point> overdue_; ///< on this channel
    std::vector<std::byte> message_;
    std::vector<std::byte> answer_;

    bool stopping_ = false;
    bool probing_ = false;
    bool expired_ = false; ///< the timeout with the present message is over
    clock::time_point deadline_{};
    boost::asio::steady_timer pause_;
    boost::asio::steady_timer watch_; ///< one for all messages: to set one for each costs time
    boost::asio::cancellation_signal connecting_;
};

} // namespace ivshmemctl
