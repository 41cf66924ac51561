// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace ivshmemctl {

/// While an object of this class lives, Ctrl-C, SIGTERM and SIGHUP only ask for the end, and what
/// takes long looks now and then whether it was asked for. Those that were ignored stay so.
class interruption {
  public:
    interruption();
    ~interruption();
    interruption(const interruption&) = delete;
    interruption& operator=(const interruption&) = delete;

    /// Whether the end was asked for.
    [[nodiscard]] static bool requested() noexcept;
    /// Says how far things came, and ends as the signal would have ended the program.
    [[noreturn]] static void end(const std::string& remark);
};

} // namespace ivshmemctl
