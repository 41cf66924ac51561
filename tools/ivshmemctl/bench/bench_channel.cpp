// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "bench/bench_channel.hpp"

#include "bench/bench_memory.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/slot.hpp>

#include <array>
#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

namespace ivshmemctl {
namespace {

using ivshmem::channel;

constexpr std::size_t echoed = 8; ///< only messages of this size are echoed
constexpr std::size_t small = 64;

/// Spins until `done()`, or caught_signals::arrived().
template <typename Done>
void spin_until(Done done) {
    while (!done() && !caught_signals::arrived())
        std::this_thread::yield();
}

void connect(channel& one, channel& other) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    spin_until([&] {
        if (std::chrono::steady_clock::now() > end)
            throw std::runtime_error{"the two slots did not connect within 10 s"};
        const auto state = one.update();
        return other.update() == ivshmem::channel_state::connected &&
               state == ivshmem::channel_state::connected;
    });
}

/// Runs the other end of the channel. An error closes that end, which this end notices.
void answer(channel own, std::size_t longest, const std::atomic<bool>& end) {
    std::vector<std::byte> message(longest);
    while (!end) {
        const auto size = own.try_receive(message);
        if (!size)
            std::this_thread::yield();
        else if (*size == echoed)
            spin_until([&] { return own.try_send(std::span{message}.first(echoed)) || end; });
    }
}

/// Returns the nanoseconds per message of many messages in one direction.
double time_messages(channel& own, std::size_t size, int count) {
    const std::vector<std::byte> message(size, std::byte{1});
    const auto times = time_rounds([&] {
        for (int i = 0; i < count; ++i)
            spin_until([&] { return own.try_send(message); });
        spin_until([&] {
            std::error_code ec; // the other end may have closed without reading the rest
            const bool all = own.drained(ec);
            if (ec)
                throw ivshmem::error{ec, "the channel between the two slots: " + ec.message()};
            return all;
        });
    });
    return median(times) / count;
}

round_times time_round_trips(channel& own) {
    std::array<std::byte, echoed> message{};
    return time_rounds([&] {
        spin_until([&] { return own.try_send(message); });
        spin_until([&] { return own.try_receive(message).has_value(); });
    });
}

} // namespace

channel_speed measure_channel(const ivshmem::device& device) {
    const auto memory = device.memory().bytes();
    const auto mode = device.memory().mode();
    const auto geometry = ivshmem::largest_rings(memory.size(), 2, 1);
    // The bytes that one slot writes: channel-layout.md, "A section" and, in its claim, T2.
    const auto begin = memory.size() / 2 / 4096 * 4096;
    const std::size_t blocks = 4096 + 256 + geometry.ring_size;
    const auto size =
        std::min<std::size_t>(blocks + std::size_t{2} * 64 + std::size_t{16} * 256, begin);
    saved_bytes first_saved{mode, memory.subspan(0, size)};
    saved_bytes second_saved{mode, memory.subspan(begin, size)};

    ivshmem::slot_options options;
    options.geometry = geometry;
    ivshmem::slot first;
    ivshmem::slot second;
    try {
        options.number = 0;
        first = ivshmem::slot::claim(device, options);
        options.number = 1;
        second = ivshmem::slot::claim(device, options);
    } catch (...) {
        first_saved.discard(); // peers use the memory
        second_saved.discard();
        throw;
    }
    ivshmem::channel_options how;
    how.polling = true;
    auto own = channel::open(first, 1, 0, how);
    auto other = channel::open(second, 0, 0, how);
    connect(own, other);

    channel_speed speed;
    if (caught_signals::arrived()) // perhaps before the slots connected
        return speed;
    speed.large_size = geometry.ring_size / 4;
    std::atomic<bool> end{false};
    auto answering = std::async(std::launch::async, answer, std::move(other),
                                std::size_t{speed.large_size}, std::cref(end));
    const auto stop = [&] {
        end = true;
        answering.get();
    };
    try {
        speed.round_trips = time_round_trips(own);
        speed.small_per_second = 1e9 / time_messages(own, small, 1000);
        speed.large_mib =
            speed.large_size / (time_messages(own, speed.large_size, 8) / 1e9) / (1U << 20U);
    } catch (...) {
        stop(); // if the other end failed, its exception explains more
        throw;
    }
    stop();
    return speed;
}

} // namespace ivshmemctl
