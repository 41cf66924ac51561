// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ivshmemctl {

/// A range of physical addresses that the firmware made uncachable with an MTRR.
struct mtrr_range {
    unsigned number = 0; ///< of the register
    std::uint64_t base = 0;
    std::uint64_t size = 0;

    /// Returns whether it has a byte in common with a BAR.
    [[nodiscard]] bool overlaps(const ivshmem::bar_info& bar) const noexcept {
        return base < bar.start + bar.size && bar.start < base + size;
    }
    bool operator==(const mtrr_range& other) const noexcept {
        return base == other.base && size == other.size;
    }
    /// Returns "base=0x... size=0x... type=uncachable", the line that adds it to /proc/mtrr.
    [[nodiscard]] std::string line() const;
};

/// Returns the ranges in ROOT/proc/mtrr that keep a BAR from being cached; nothing if the file
/// cannot be read.
[[nodiscard]] std::optional<std::vector<mtrr_range>>
uncachable_over(const std::filesystem::path& root, const ivshmem::bar_info& bar);

/// Returns why the ranges over this BAR must not be dropped; empty if they may be.
[[nodiscard]] std::string why_not_cachable(const std::filesystem::path& root,
                                           const ivshmem::bar_info& bar);

} // namespace ivshmemctl
