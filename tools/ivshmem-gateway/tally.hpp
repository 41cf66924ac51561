// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace ivshmem_gateway {

/// Counts what a peer, or the broker, can make happen at any rate, so that each kind of it costs a
/// line of log in a few seconds, with the count.
class tally {
  public:
    using writer = std::function<void(const std::string& what, std::uint64_t times)>;

    tally(const boost::asio::any_io_executor& on, writer write)
        : timer_{on}, write_{std::move(write)} {}
    tally(const tally&) = delete;
    tally& operator=(const tally&) = delete;
    ~tally() { report(); }

    /// @param what The line. It is written at once, or with all of its kind a few seconds after the
    /// last lines. Beyond `most` different ones, they are counted as others.
    void count(const std::string& what, std::uint64_t times = 1) {
        if (!std::exchange(waiting_, true)) {
            write_(what, times);
            return wait();
        }
        if (counts_.size() >= most && !counts_.contains(what))
            counts_["others, which have no line of their own"] += times;
        else
            counts_[what] += times;
    }
    /// Writes what was counted since the last lines.
    void report() {
        for (const auto& [what, times] : std::exchange(counts_, {}))
            write_(what, times);
    }

  private:
    static constexpr std::chrono::seconds interval{5};
    static constexpr std::size_t most = 64;

    void wait() {
        timer_.expires_after(interval);
        timer_.async_wait([this](const boost::system::error_code& ec) {
            if (ec)
                return;
            waiting_ = !counts_.empty();
            report();
            if (waiting_)
                wait();
        });
    }

    boost::asio::steady_timer timer_;
    writer write_;
    std::map<std::string, std::uint64_t> counts_{};
    bool waiting_ = false;
};

} // namespace ivshmem_gateway
