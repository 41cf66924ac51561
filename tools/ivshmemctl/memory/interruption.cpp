// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "interruption.hpp"

#include "command.hpp"

#include <csignal>

#include <unistd.h>

namespace ivshmemctl {
namespace {

volatile std::sig_atomic_t asked_by = 0;

extern "C" void ask(int number) {
    asked_by = number;
}

void handle(void (*handler)(int)) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction action {};
        if (::sigaction(number, nullptr, &action) != 0 || action.sa_handler == SIG_IGN)
            continue;
        action = {};
        action.sa_handler = handler; // without SA_RESTART: what blocks is ended
        ::sigaction(number, &action, nullptr);
    }
}

} // namespace

interruption::interruption() {
    handle(ask);
}

interruption::~interruption() {
    handle(SIG_DFL);
}

bool interruption::requested() noexcept {
    return asked_by != 0;
}

void interruption::end(const std::string& remark) {
    complain("interrupted: " + remark);
    handle(SIG_DFL);
    ::raise(asked_by);
    ::_exit(128 + asked_by);
}

} // namespace ivshmemctl
