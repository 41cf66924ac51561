// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "caught_signals.hpp"

#include "command.hpp"

#include <csignal>

#include <unistd.h>

namespace ivshmemctl {
namespace {

volatile std::sig_atomic_t arrived_signal = 0;

extern "C" void note_signal(int number) {
    arrived_signal = number;
}

void set_handler(void (*handler)(int)) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction action {};
        if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler == SIG_IGN)
            continue;
        action = {};
        action.sa_handler = handler; // without SA_RESTART: blocking calls fail with EINTR
        ::sigaction(number, &action, nullptr);
    }
}

} // namespace

caught_signals::caught_signals() {
    set_handler(note_signal);
}

caught_signals::~caught_signals() {
    set_handler(SIG_DFL);
}

bool caught_signals::arrived() noexcept {
    return arrived_signal != 0;
}

void caught_signals::exit(const std::string& remark) {
    complain("interrupted: " + remark);
    set_handler(SIG_DFL);
    ::raise(arrived_signal);
    ::_exit(128 + arrived_signal);
}

} // namespace ivshmemctl
