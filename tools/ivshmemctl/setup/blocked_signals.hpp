// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>
#include <string>

#include <signal.h> // NOLINT(modernize-deprecated-headers): sigset_t is POSIX's

namespace ivshmemctl {

/// Holds back the signals that end a program (Ctrl-C, SIGTERM, SIGHUP) while this object lives, so
/// that what was begun can be undone. Those that were ignored before stay so.
class blocked_signals {
  public:
    blocked_signals();
    ~blocked_signals();
    blocked_signals(const blocked_signals&) = delete;
    blocked_signals& operator=(const blocked_signals&) = delete;

    /// Names what is begun now: if it takes long, a person at the terminal is told. Empty: nobody.
    void begin_step(std::string what);
    /// Sleeps; a signal or the end of a child ends it early.
    void pause(std::chrono::milliseconds time);
    /// The number of the signal that came, 0 for none.
    [[nodiscard]] int arrived();
    /// Lets the signal that came do what it would have done.
    void raise_arrived() noexcept;
    /// For a child: the signals as they were before.
    void unblock() const noexcept;

  private:
    sigset_t watched_{};
    sigset_t before_{};
    int signal_ = 0;
    std::string begun_;
    std::chrono::steady_clock::time_point since_{};
};

} // namespace ivshmemctl
