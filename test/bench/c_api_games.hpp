// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "transports/server_process.hpp"

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

/// The games of bench-c-api and bench-topics-c-api. An `End` is one of two that are connected:
/// connected() returns whether the other one is there, left() whether it went after its last
/// message, send() and receive() spin.
namespace bench {

struct game {
    std::string_view name;
    std::size_t size;
    std::uint64_t count;
};

/// A throughput is that of windows of so many messages, each of which is answered. None: all at
/// once.
template <typename End>
constexpr std::uint64_t window_of = ~std::uint64_t{0};

using clock_type = std::chrono::steady_clock;

inline double nanoseconds_each(clock_type::time_point began, std::uint64_t count) {
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
    for (std::uint64_t i = 0; i < g.count; ++i) {
        for (const bool sends : {first, !first})
            if (both || sends == first)
                sends ? end.send(message) : end.receive(message);
        // The messages so far were taken.
        if (!both && (i + 1 == g.count || (i + 1) % window_of<End> == 0))
            first ? end.receive(message) : end.send(message);
    }
    return nanoseconds_each(began, g.count);
}

template <typename End>
double between_processes(const std::string& server, const game& g) {
    const pid_t child = ::fork();
    if (child == 0) {
        End end{server, 1};
        play(end, false, g);
        while (!end.left()) {
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
    const server_process server{std::size_t{16} << 20U};
    return g.name == "calls" ? calls<End>(server.selector(), g)
                             : between_processes<End>(server.selector(), g);
}

/// Runs a program that takes the words LANGUAGE GAME SIZE COUNT, with ends of both languages.
template <typename OfC, typename OfCpp>
int play_games(const char* name, int argc, char** argv) try {
    if (argc != 5) {
        std::fprintf(stderr, "usage: %s c|cpp throughput|roundtrip|calls SIZE COUNT\n", name);
        return 2;
    }
    const game g{argv[2], std::strtoul(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10)};
    std::printf("%.2f\n", std::string_view{argv[1]} == "c" ? measure<OfC>(g) : measure<OfCpp>(g));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", name, e.what());
    return 1;
}

} // namespace bench
