// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ivshmemctl {

/// The service ivshmem-forward of this machine, as its configuration and systemd have it.
struct forward_service {
    /// "active", "failed" and so on, as systemd says it; empty if it cannot be known.
    std::string state;
    std::vector<std::string> services; ///< a line each: what is offered and listened to
    bool has_lists = false;            ///< some services are for certain slots only
    std::string problem;               ///< of the configuration; empty: it has none

    [[nodiscard]] bool works() const {
        return problem.empty() && (state.empty() || state == "active");
    }
    /// Returns state and services in one line.
    [[nodiscard]] std::string text() const;
};

/// Nothing if no service is configured.
[[nodiscard]] std::optional<forward_service>
find_forward_service(const std::filesystem::path& root);

} // namespace ivshmemctl
