// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <thread>
#include <vector>

/// How the two sides of a doorbell benchmark find each other: a page each in the shared memory.
/// The pages are not measured.
class meeting {
  public:
    struct page {
        std::atomic<std::uint64_t> run; ///< written last
        std::atomic<std::uint32_t> id;
        std::atomic<std::uint32_t> finished;
    };

    meeting(void* memory, bool first, std::uint64_t run, std::uint32_t id)
        : mine_{at(memory, first ? 0 : 4096)}, theirs_{at(memory, first ? 4096 : 0)}, run_{run} {
        mine_->run = 0;
        mine_->id = id;
        mine_->finished = 0;
        mine_->run.store(run, std::memory_order_release);
    }

    /// @return The other side's peer id, once it is there too.
    std::uint32_t other() const {
        wait([&] { return theirs_->run.load(std::memory_order_acquire) == run_; });
        return theirs_->id;
    }

    /// Returns when both sides are through.
    void finish() const {
        mine_->finished = 1;
        wait([&] { return theirs_->finished == 1 || theirs_->run != run_; });
    }

  private:
    static page* at(void* memory, std::size_t offset) {
        return reinterpret_cast<page*>(static_cast<std::byte*>(memory) + offset);
    }
    template <typename Condition>
    static void wait(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline)
                throw std::runtime_error{"the other side did not come"};
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }
    }

    page* mine_;
    page* theirs_;
    std::uint64_t run_;
};

/// Collects the times of round trips and prints them, in nanoseconds.
class round_trips {
  public:
    using clock = std::chrono::steady_clock;

    explicit round_trips(std::size_t rounds) { times_.reserve(rounds); }
    void add(clock::time_point start) {
        times_.push_back(std::chrono::duration<double, std::nano>(clock::now() - start).count());
    }
    void print() {
        std::sort(times_.begin(), times_.end());
        const auto at = [&](double share) {
            return times_[static_cast<std::size_t>(share * double(times_.size() - 1))];
        };
        std::printf("min %.0f median %.0f p99 %.0f\n", at(0), at(0.5), at(0.99));
    }

  private:
    std::vector<double> times_;
};
