// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>
#include <string>

#include <signal.h> // NOLINT(modernize-deprecated-headers): sigset_t is POSIX's

namespace ivshmemctl {

/// Blocks the signals that end a program (Ctrl-C, SIGTERM, SIGHUP) while this object lives, so that
/// changes can be undone. A signal that was ignored before stays ignored.
class blocked_signals {
  public:
    blocked_signals();
    ~blocked_signals();
    blocked_signals(const blocked_signals&) = delete;
    blocked_signals& operator=(const blocked_signals&) = delete;

    /// Names the step that begins, for a message on the terminal if it takes more than a second.
    /// Empty: no message.
    void begin_step(std::string what);
    /// Sleeps. A signal or the end of a child ends the sleep early.
    void pause(std::chrono::milliseconds time);
    /// Returns the number of the signal that arrived; 0 for none.
    [[nodiscard]] int arrived();
    /// Unblocks the signals and raises the one that arrived.
    void raise_arrived() noexcept;
    /// Restores the signal mask from before, for a child.
    void unblock() const noexcept;

  private:
    sigset_t watched_{};
    sigset_t before_{};
    int signal_ = 0;
    std::string begun_;
    std::chrono::steady_clock::time_point since_{};
};

} // namespace ivshmemctl
