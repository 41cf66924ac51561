// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/blocked_signals.hpp"

#include "command.hpp"

#include <utility>

#include <unistd.h>

namespace ivshmemctl {

blocked_signals::blocked_signals() {
    ::sigemptyset(&watched_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) {
        struct sigaction now {};
        if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
            ::sigaddset(&watched_, number);
    }
    ::signal(SIGCHLD, SIG_DFL); // if it were ignored, waitpid() could not return a child's status
    ::sigaddset(&watched_, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &watched_, &before_);
}

blocked_signals::~blocked_signals() {
    unblock();
}

void blocked_signals::begin_step(std::string what) {
    begun_ = std::move(what);
    since_ = std::chrono::steady_clock::now();
}

void blocked_signals::pause(std::chrono::milliseconds time) {
    using namespace std::chrono_literals;
    if (!begun_.empty() && std::chrono::steady_clock::now() - since_ > 1s) {
        if (::isatty(STDERR_FILENO) == 1)
            complain("this takes a while: " + begun_);
        begun_.clear();
    }
    const timespec limit{static_cast<std::time_t>(time.count() / 1000),
                         static_cast<long>(time.count() % 1000) * 1'000'000};
    const int number = ::sigtimedwait(&watched_, nullptr, &limit);
    if (number > 0 && number != SIGCHLD)
        signal_ = number;
}

int blocked_signals::arrived() {
    using namespace std::chrono_literals;
    if (signal_ == 0)
        pause(0ms);
    return signal_;
}

void blocked_signals::raise_arrived() noexcept {
    unblock();
    ::raise(signal_);
}

void blocked_signals::unblock() const noexcept {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

} // namespace ivshmemctl
