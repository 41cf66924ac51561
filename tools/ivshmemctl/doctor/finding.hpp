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
    skip, ///< does not apply here, or cannot be seen
};

/// "ok", "warn", "fail" or "skip"
[[nodiscard]] std::string_view to_string(outcome o) noexcept;

/// What one check of doctor found.
struct finding {
    std::string check; ///< its name
    outcome is = outcome::skip;
    std::string text; ///< one line
    std::string next; ///< the command that mends it, or what to do; empty where nothing is
};

/// How a whole examination ended.
struct verdict {
    bool works = false;
    std::string text; ///< one line
};

/// A line a finding, the next command below it, and the verdict.
void print_text(const std::vector<finding>& findings, const verdict& end, bool color);
/// One object. @param device The address; empty where there is none.
void print_json(const std::vector<finding>& findings, const verdict& end,
                const std::string& device);

} // namespace ivshmemctl
