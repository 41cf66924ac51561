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

/// The service that 'serve' offers and 'ping' connects to.
inline constexpr const char* ping_service = "ivshmemctl ping";
/// The longest message that 'serve' answers, in bytes, and the shortest, which holds the sequence
/// number only.
inline constexpr std::uint32_t longest_ping = 1024 * 1024;
inline constexpr std::uint32_t shortest_ping = sizeof(std::uint64_t);

/// Sends messages to a peer that offers ping_service, one at a time, and waits for each answer.
class pinger {
  public:
    struct options {
        std::optional<std::uint16_t> peer{};  ///< empty: any peer that serves
        std::optional<std::uint64_t> count{}; ///< empty: until stop()
        std::chrono::nanoseconds interval{};  ///< the minimum time from one message to the next
        std::chrono::nanoseconds timeout{};   ///< how long to wait for each answer
        std::size_t size = 0;                 ///< shortest_ping to longest_ping
    };
    /// The outcome of a message.
    struct outcome {
        enum class kind {
            answered,
            late,       ///< answered after it was reported as unanswered
            unanswered, ///< `why` has the reason, if it is known
            wrong,      ///< a message arrived that is not an answer
        };
        kind what{};
        std::uint64_t sequence = 0;
        std::chrono::nanoseconds round_trip{};
        std::string why{};
    };

    pinger(ivshmem::device& device, ivshmem::asio::slot& slot, const options& how,
           std::function<void(const outcome&)> report);

    /// Completes after the last message, or stop().
    /// @throws ivshmem::error if it cannot go on, for example because the device was removed.
    boost::asio::awaitable<void> run();
    void stop();

    [[nodiscard]] const ping_statistics& statistics() const noexcept { return statistics_; }
    /// Returns "peer 3 (slot 0)"; empty if no peer was found.
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
    bool expired_ = false; ///< the timeout of the current message has passed
    clock::time_point deadline_{};
    boost::asio::steady_timer pause_;
    boost::asio::steady_timer watch_; ///< one for all messages: setting one for each takes time
    boost::asio::cancellation_signal connecting_;
};

} // namespace ivshmemctl
