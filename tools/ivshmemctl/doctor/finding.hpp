// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ivshmemctl {

enum class outcome {
    ok,
    warn, ///< it works, but not as well as it could
    fail, ///< it keeps the device from working
    skip, ///< it does not apply, or cannot be checked
};

/// "ok", "warn", "fail" or "skip"
[[nodiscard]] std::string_view to_string(outcome o) noexcept;

/// The result of one check of doctor.
struct finding {
    std::string check; ///< its name
    outcome is = outcome::skip;
    std::string text; ///< one line
    std::string next; ///< the command that fixes it, or advice; empty if there is none
};

/// The result of all checks.
struct verdict {
    bool works = false;
    std::string text; ///< one line
};

/// Prints a line for each finding, with the next command below it, and the verdict.
void print_text(const std::vector<finding>& findings, const verdict& end, bool color);
/// Prints one JSON object.
/// @param device The address; empty if there is no device.
void print_json(const std::vector<finding>& findings, const verdict& end,
                const std::string& device);

} // namespace ivshmemctl
