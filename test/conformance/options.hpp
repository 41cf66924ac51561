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
    /// The number of this party, from 0; empty if the device is tested alone.
    std::optional<unsigned> role;
    unsigned parties = 2;
    std::uint32_t vectors = 0; ///< the number that the device must have; 0: any number
    std::chrono::milliseconds timeout{60'000};
    bool list = false;
    bool crowded = false; ///< peers that are no party ring this one, too
};

} // namespace conformance
