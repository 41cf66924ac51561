// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <csignal>
#include <ctime>
#include <stdexcept>

namespace test {

/// Ends the process with SIGABRT if a test hangs; Catch then reports the name of the test. The
/// timer is neither setitimer's nor alarm's, and a forked child has none.
class deadline {
  public:
    explicit deadline(int seconds = 60) {
        sigevent what{};
        what.sigev_notify = SIGEV_SIGNAL;
        what.sigev_signo = SIGABRT;
        itimerspec when{};
        when.it_value.tv_sec = seconds;
        if (::timer_create(CLOCK_MONOTONIC, &what, &timer_) != 0 ||
            ::timer_settime(timer_, 0, &when, nullptr) != 0)
            throw std::runtime_error{"no timer for a deadline"};
    }
    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;
    ~deadline() { ::timer_delete(timer_); }

  private:
    timer_t timer_{};
};

} // namespace test
