// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "held_signals.hpp"

namespace ivshmemctl {

held_signals::held_signals() noexcept {
    ::sigemptyset(&watched_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction now {};
        if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
            ::sigaddset(&watched_, number);
    }
    ::sigaddset(&watched_, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &watched_, &before_);
}

held_signals::~held_signals() {
    forget();
}

void held_signals::pause(std::chrono::milliseconds time) noexcept {
    const timespec limit{static_cast<std::time_t>(time.count() / 1000),
                         static_cast<long>(time.count() % 1000) * 1'000'000};
    const int number = ::sigtimedwait(&watched_, nullptr, &limit);
    if (number > 0 && number != SIGCHLD)
        signal_ = number;
}

int held_signals::arrived() noexcept {
    using namespace std::chrono_literals;
    if (signal_ == 0)
        pause(0ms);
    return signal_;
}

void held_signals::obey() noexcept {
    forget();
    ::raise(signal_);
}

void held_signals::forget() const noexcept {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

} // namespace ivshmemctl
