// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace conformance {

struct options {
    std::string device;
    std::optional<std::uint32_t> peer; ///< the id that the (first) other party must have
    /// Which party this is, from 0; nothing where the device is tested alone.
    std::optional<unsigned> role;
    unsigned parties = 2;
    std::uint32_t vectors = 0; ///< that the device must have; 0: any number
    std::chrono::milliseconds timeout{60'000};
    bool list = false;
};

} // namespace conformance
