// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "transport.hpp"
#include "transport_message.hpp"
#include "transport_result.hpp"

#include <algorithm>
#include <chrono>

namespace bench {

/// How long to measure, after a warm-up of a tenth of that.
struct duration {
    std::uint64_t count = 0; ///< of messages or round trips; 0: as many as fit in the seconds
    double seconds = 1;

    [[nodiscard]] duration tenth() const noexcept {
        return {count == 0 ? 0 : std::max<std::uint64_t>(count / 10, 1), seconds / 10};
    }
};

using game_clock = std::chrono::steady_clock;

/// Decides when a phase is over; reads the clock only occasionally.
class phase {
  public:
    phase(const duration& length, std::uint64_t stride)
        : count_{length.count}, stride_{stride},
          until_{game_clock::now() + std::chrono::duration_cast<game_clock::duration>(
                                         std::chrono::duration<double>{length.seconds})} {}

    /// Called once before each message.
    bool goes_on() {
        const std::uint64_t i = done_++;
        if (count_ != 0)
            return i < count_;
        return i % stride_ != 0 || game_clock::now() < until_;
    }

  private:
    std::uint64_t count_;
    std::uint64_t stride_;
    game_clock::time_point until_;
    std::uint64_t done_ = 0;
};

/// Between two looks at memory that another processor writes. The queues are faster with it.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// One end with one way to wait, as the loops below use it.
template <waiting Wait, class End>
struct player {
    End& end;
    numbered_message out;
    numbered_message in;

    player(End& e, std::size_t size) : end{e}, out{size}, in{size} { out.fill(); }

    void send(std::span<const std::byte> message) {
        if constexpr (Wait == waiting::spin)
            while (!end.try_send(message))
                relax();
        else
            end.send(message);
    }
    void send(std::uint64_t word) {
        out.number(word);
        send(out.bytes());
    }
    /// The marks of the message with this number.
    std::uint64_t receive(std::uint64_t number) {
        if constexpr (Wait == waiting::spin)
            while (!end.try_receive(in.bytes()))
                relax();
        else
            end.receive(in.bytes());
        return in.check(number);
    }
};

/// Sends as fast as it can.
template <waiting Wait, class End>
void send_all(End& end, std::size_t size, const duration& length) {
    player<Wait, End> player{end, size};
    const std::uint64_t stride = std::clamp<std::uint64_t>(16384 / size, 1, 256);
    std::uint64_t number = 0;
    for (phase warm{length.tenth(), stride}; warm.goes_on();)
        player.send(number++);
    player.send(number++ | clock_starts);
    for (phase measured{length, stride}; measured.goes_on();)
        player.send(number++);
    player.send(number | is_last);
}

/// Receives the messages of the other side as fast as it can.
template <waiting Wait, class End>
throughput_result receive_all(End& end, std::size_t size) {
    player<Wait, End> player{end, size};
    std::uint64_t from = 0;
    game_clock::time_point start;
    for (std::uint64_t number = 0;; ++number) {
        const std::uint64_t said = player.receive(number);
        if (number == 0)
            player.in.check_filling();
        if (said == clock_starts) {
            from = number;
            start = game_clock::now();
        } else if (said == is_last) {
            const std::chrono::duration<double> took = game_clock::now() - start;
            return {number - from, took.count()};
        }
    }
}

/// Begins each round trip and times it.
template <waiting Wait, class End>
roundtrip_result begin_trips(End& end, std::size_t size, const duration& length) {
    player<Wait, End> player{end, size};
    std::uint64_t number = 0;
    for (phase warm{length.tenth(), 1}; warm.goes_on(); ++number) {
        player.send(number);
        player.receive(number);
        if (number == 0)
            player.in.check_filling();
    }
    // A longer game is cut short rather than slowed by the growth of this.
    std::vector<std::uint32_t> times(length.count != 0 ? length.count : std::size_t{4} << 20U);
    std::size_t taken = 0;
    auto before = game_clock::now();
    const auto until = before + std::chrono::duration<double>{length.seconds};
    while (taken < times.size() && (length.count != 0 || before < until)) {
        player.send(number);
        player.receive(number++);
        const auto after = game_clock::now();
        const std::chrono::nanoseconds took = after - before;
        times[taken++] = std::uint32_t(std::min<std::int64_t>(took.count(), 0xffffffff));
        before = after;
    }
    player.send(number | is_last);
    player.receive(number);
    times.resize(taken);
    return roundtrip_result{std::move(times)};
}

/// Sends each message back.
template <waiting Wait, class End>
void answer_trips(End& end, std::size_t size) {
    player<Wait, End> player{end, size};
    std::uint64_t said = 0;
    for (std::uint64_t number = 0; said != is_last; ++number) {
        said = player.receive(number);
        player.send(player.in.bytes());
    }
}

} // namespace bench
