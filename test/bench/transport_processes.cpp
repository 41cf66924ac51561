// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

#include "transport_processes.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

namespace {

volatile pid_t child = 0;

void die(std::string_view why) {
    if (::write(STDERR_FILENO, why.data(), why.size()) < 0) {
        // The failure cannot be reported.
    }
    if (child > 0)
        ::kill(child, SIGKILL);
    ::_exit(1);
}

void on_alarm(int) {
    die("bench-transports: not done in time\n");
}

void on_child(int, siginfo_t* info, void*) {
    if (info->si_code != CLD_EXITED || info->si_status != 0)
        die("bench-transports: the child failed\n");
}

void install_handlers() {
    struct sigaction action {};
    action.sa_handler = on_alarm;
    must(::sigaction(SIGALRM, &action, nullptr), "sigaction");
    action.sa_sigaction = on_child;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP;
    must(::sigaction(SIGCHLD, &action, nullptr), "sigaction");
}

void pin(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(std::size_t(processor), &set);
    must(::sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

[[noreturn]] void live_as_child(pid_t parent, int processor, const std::function<void()>& play) {
    try {
        must(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
        if (::getppid() != parent)
            std::_Exit(1);
        pin(processor);
        play();
        std::_Exit(0);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "bench-transports: child: %s\n", e.what());
        std::_Exit(1);
    }
}

} // namespace

std::array<int, 2> two_processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    must(::sched_getaffinity(0, sizeof set, &set), "sched_getaffinity");
    std::array<int, 2> found{-1, -1};
    for (int i = 0; i < CPU_SETSIZE && found[1] < 0; ++i)
        if (CPU_ISSET(std::size_t(i), &set))
            found[found[0] < 0 ? 0 : 1] = i;
    if (found[1] < 0)
        found[1] = found[0];
    return found;
}

void play_in_two_processes(const std::array<int, 2>& processors, unsigned seconds,
                           const std::function<void()>& first,
                           const std::function<void()>& second) {
    install_handlers();
    const pid_t parent = ::getpid();
    // A child that fails at once must not be missed, nor one that cannot be named yet.
    sigset_t both, old;
    sigemptyset(&both);
    sigaddset(&both, SIGCHLD);
    sigaddset(&both, SIGALRM);
    must(::sigprocmask(SIG_BLOCK, &both, &old), "sigprocmask");
    const pid_t forked = must(::fork(), "fork");
    if (forked == 0) {
        ::signal(SIGCHLD, SIG_DFL);
        must(::sigprocmask(SIG_SETMASK, &old, nullptr), "sigprocmask");
        live_as_child(parent, processors[1], second);
    }
    child = forked;
    ::alarm(seconds);
    must(::sigprocmask(SIG_SETMASK, &old, nullptr), "sigprocmask");
    try {
        pin(processors[0]);
        first();
        must(::waitpid(forked, nullptr, 0), "waitpid");
    } catch (...) {
        ::signal(SIGCHLD, SIG_DFL);
        ::kill(forked, SIGKILL);
        ::waitpid(forked, nullptr, 0);
        throw;
    }
    child = 0;
    ::alarm(0);
}

} // namespace bench
