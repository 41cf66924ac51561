// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The ping-pong between two processes on bare eventfds, with epoll:
//     bench-doorbell-eventfd ROUNDS

#include "doorbell_meeting.hpp"

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <system_error>

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

int must(int result, const char* what) {
    if (result < 0)
        throw std::system_error{errno, std::system_category(), what};
    return result;
}

void pin(unsigned processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    must(::sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

void play(int mine, int theirs, bool first, std::size_t rounds) {
    const int poll = must(::epoll_create1(0), "epoll_create1");
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    must(::epoll_ctl(poll, EPOLL_CTL_ADD, mine, &wanted), "epoll_ctl");
    round_trips times{rounds};
    const std::uint64_t one = 1;
    std::uint64_t rings = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        const auto start = round_trips::clock::now();
        if (first)
            must(int(::write(theirs, &one, sizeof one)), "write");
        epoll_event ready{};
        must(::epoll_wait(poll, &ready, 1, -1), "epoll_wait");
        must(int(::read(mine, &rings, sizeof rings)), "read");
        if (first)
            times.add(start);
        else
            must(int(::write(theirs, &one, sizeof one)), "write");
    }
    if (first)
        times.print();
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 2)
        throw std::runtime_error{"usage: bench-doorbell-eventfd ROUNDS"};
    const std::size_t rounds = std::strtoull(argv[1], nullptr, 10);
    const int a = must(::eventfd(0, EFD_NONBLOCK), "eventfd");
    const int b = must(::eventfd(0, EFD_NONBLOCK), "eventfd");
    const pid_t child = must(::fork(), "fork");
    if (child == 0) {
        pin(1);
        play(b, a, false, rounds);
        std::_Exit(0);
    }
    pin(0);
    play(a, b, true, rounds);
    must(::waitpid(child, nullptr, 0), "waitpid");
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-doorbell-eventfd: %s\n", e.what());
    return 1;
}
