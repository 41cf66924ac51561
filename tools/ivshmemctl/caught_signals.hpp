// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace ivshmemctl {

/// Catches Ctrl-C, SIGTERM and SIGHUP while an object of this class lives. Long operations check
/// arrived() and stop early. A signal that was ignored before stays ignored.
class caught_signals {
  public:
    caught_signals();
    ~caught_signals();
    caught_signals(const caught_signals&) = delete;
    caught_signals& operator=(const caught_signals&) = delete;

    /// Returns whether a signal has arrived.
    [[nodiscard]] static bool arrived() noexcept;
    /// Prints the remark and ends the process by the signal that arrived.
    [[noreturn]] static void exit(const std::string& remark);
};

} // namespace ivshmemctl
