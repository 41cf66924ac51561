// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The API in C or in C++ on one channel between two processes, both spinning, or between two slots
// of one thread, in which nothing but the calls costs time:
//     bench-c-api c|cpp throughput|roundtrip|calls SIZE COUNT
// Prints nanoseconds: of a message, or of one there and back.

#include "transports/server_process.hpp"

#include <ivshmem/ivshmem.h>
#include <ivshmem/ivshmem.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::uint32_t ring_size = 1U << 20U;

/// An end in C++.
class of_cpp {
  public:
    of_cpp(const std::string& server, std::uint32_t number)
        : device_{ivshmem::device::open(server, {.vectors = 1})},
          slot_{ivshmem::slot::claim(
              device_, {.number = number, .geometry = ivshmem::region_geometry{2, 1, ring_size}})},
          channel_{ivshmem::channel::open(slot_, 1 - number, 0, {.polling = true})} {}

    /// Whether the other side is there.
    bool connected() {
        return channel_.update() == ivshmem::channel_state::connected && !channel_.peer_finished();
    }
    void send(std::span<const std::byte> message) {
        while (!channel_.try_send(message, ec_))
            check();
    }
    void receive(std::span<std::byte> into) {
        while (!channel_.try_receive(into, ec_))
            check();
    }

  private:
    void check() const {
        if (ec_)
            throw std::system_error{ec_};
    }

    ivshmem::device device_;
    ivshmem::slot slot_;
    ivshmem::channel channel_;
    std::error_code ec_;
};

/// An end in C.
class of_c {
  public:
    of_c(const std::string& server, std::uint32_t number) {
        ivshmem_open_options opening{};
        opening.size = sizeof opening;
        opening.vectors = 1;
        ivshmem_slot_options claiming{};
        claiming.size = sizeof claiming;
        claiming.slots = 2;
        claiming.lanes = 1;
        claiming.ring_size = ring_size;
        ivshmem_channel_options polling{};
        polling.size = sizeof polling;
        polling.polling = 1;
        check(ivshmem_device_open(server.c_str(), &opening, &device_));
        check(ivshmem_slot_claim(device_, static_cast<std::int32_t>(number), &claiming, &slot_));
        check(ivshmem_channel_open(slot_, 1 - number, 0, &polling, &channel_));
    }
    of_c(const of_c&) = delete;
    of_c& operator=(const of_c&) = delete;
    ~of_c() {
        ivshmem_channel_close(channel_);
        ivshmem_slot_close(slot_);
        ivshmem_device_close(device_);
    }

    bool connected() {
        ivshmem_channel_facts facts{};
        facts.size = sizeof facts;
        check(ivshmem_channel_update(channel_, nullptr));
        check(ivshmem_channel_get_facts(channel_, &facts));
        return facts.state == IVSHMEM_STATE_CONNECTED && facts.peer_finished == 0;
    }
    void send(std::span<const std::byte> message) {
        int result = 0;
        while ((result = ivshmem_channel_try_send(channel_, message.data(), message.size())) != 0)
            check_again(result);
    }
    void receive(std::span<std::byte> into) {
        int result = 0;
        std::size_t size = 0;
        while ((result = ivshmem_channel_try_receive(channel_, into.data(), into.size(), &size)) !=
               0)
            check_again(result);
    }

  private:
    static void check(int result) {
        if (result != 0)
            throw std::runtime_error{ivshmem_last_error()};
    }
    static void check_again(int result) {
        if (result != -EAGAIN)
            check(result);
    }

    ivshmem_device* device_ = nullptr;
    ivshmem_slot* slot_ = nullptr;
    ivshmem_channel* channel_ = nullptr;
};

struct game {
    std::string_view name;
    std::size_t size;
    std::uint64_t count;
};

using clock_type = std::chrono::steady_clock;

double nanoseconds_each(clock_type::time_point began, std::uint64_t count) {
    const std::chrono::duration<double, std::nano> took = clock_type::now() - began;
    return took.count() / static_cast<double>(count);
}

template <typename End>
double play(End& end, bool first, const game& g) {
    std::vector<std::byte> message(g.size);
    while (!end.connected()) {
    }
    const auto began = clock_type::now();
    const bool both = g.name == "roundtrip";
    for (std::uint64_t i = 0; i < g.count; ++i)
        for (const bool sends : {first, !first})
            if (both || sends == first)
                sends ? end.send(message) : end.receive(message);
    if (!both) // the last message was taken
        first ? end.receive(message) : end.send(message);
    return nanoseconds_each(began, g.count);
}

template <typename End>
double between_processes(const std::string& server, const game& g) {
    const pid_t child = ::fork();
    if (child == 0) {
        End end{server, 1};
        play(end, false, g);
        while (end.connected()) {
        }
        ::_exit(0);
    }
    double result = 0;
    {
        End end{server, 0};
        result = play(end, true, g);
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child || status != 0)
        throw std::runtime_error{"the other process failed"};
    return result;
}

template <typename End>
double calls(const std::string& server, const game& g) {
    constexpr int batch = 16;
    End one{server, 0};
    End other{server, 1};
    for (bool met = false; !met;) {
        met = one.connected();
        met = other.connected() && met;
    }
    std::vector<std::byte> message(g.size);
    const auto began = clock_type::now();
    for (std::uint64_t i = 0; i < g.count; i += batch) {
        for (int k = 0; k < batch; ++k)
            one.send(message);
        for (int k = 0; k < batch; ++k)
            other.receive(message);
    }
    return nanoseconds_each(began, g.count);
}

template <typename End>
double measure(const game& g) {
    const bench::server_process server{std::size_t{16} << 20U};
    return g.name == "calls" ? calls<End>(server.selector(), g)
                             : between_processes<End>(server.selector(), g);
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 5)
        return std::fputs("usage: bench-c-api c|cpp throughput|roundtrip|calls SIZE COUNT\n",
                          stderr),
               2;
    const game g{argv[2], std::strtoul(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10)};
    std::printf("%.2f\n", std::string_view{argv[1]} == "c" ? measure<of_c>(g) : measure<of_cpp>(g));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-c-api: %s\n", e.what());
    return 1;
}
