// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer in its own thread that writes into its section at full speed, while this side performs all
// operations: scribbler SECONDS. Run it under sanitizers, but not under ThreadSanitizer, because it
// tests races.

#include "helpers/channel_meeting.hpp"
#include "liar.hpp"
#include "player.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <thread>

namespace {

using clock = std::chrono::steady_clock;

/// Schedules at random.
class chance {
  public:
    explicit chance(std::uint32_t seed) : random_{seed} {}

    test::schedule next() {
        for (auto& byte : bytes_)
            byte = static_cast<std::uint8_t>(random_());
        return test::schedule{bytes_};
    }

  private:
    std::mt19937 random_;
    std::array<std::uint8_t, 64> bytes_{};
};

/// Writes false words, and sometimes the words that connect, so that a channel exists.
void scribble(const std::span<std::byte>& memory, const std::atomic<bool>& over) {
    test::liar liar{memory, 1, false};
    chance random{1};
    for (unsigned round = 0; !over.load(std::memory_order_relaxed); ++round) {
        liar.meet();
        test::schedule what = random.next();
        while (!what.empty())
            round % 64 == 0 ? liar.lie(what) : liar.lie_about_rings(what);
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2)
        return std::fputs("usage: scribbler SECONDS\n", stderr), 2;
    const auto end = clock::now() + std::chrono::seconds{std::atoi(argv[1])};
    test::meeting meeting{test::small_region};
    const ivshmem::device device = meeting.join(1);
    const ivshmem::device doubtful = meeting.join(2); // the peer to ring
    std::atomic<bool> over{false};
    std::thread scribbler{[&] {
        scribble(meeting.memory(), over);
    }};
    unsigned long calls = 0;
    unsigned long connected = 0;
    auto longest = clock::duration::zero();
    {
        test::player us{device, 0, std::chrono::milliseconds{100}, [] {
                        }};
        chance random{2};
        while (clock::now() < end) {
            test::schedule what = random.next();
            if (us.state() != ivshmem::channel_state::connected)
                us.start_again();
            while (!what.empty()) {
                const auto before = clock::now();
                us.play(what);
                longest = std::max(longest, clock::now() - before);
                connected += us.state() == ivshmem::channel_state::connected ? 1 : 0;
                ++calls;
            }
        }
    }
    over = true;
    scribbler.join();
    std::printf("%lu calls, %lu of them on a channel that is connected; the longest took %lld us\n",
                calls, connected,
                static_cast<long long>(
                    std::chrono::duration_cast<std::chrono::microseconds>(longest).count()));
    // A channel that never connects proves nothing. The share of connected ones depends on the
    // load.
    const bool proved = connected > 1000;
    std::printf("%d passed, %d failed\n", proved ? 1 : 0, proved ? 0 : 1);
    return proved ? 0 : 1;
}
