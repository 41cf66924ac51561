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

/// A range of physical addresses that an MTRR, which the firmware set, makes uncachable.
struct mtrr_range {
    unsigned number = 0; ///< of the register
    std::uint64_t base = 0;
    std::uint64_t size = 0;

    /// Whether it has a byte in common with a BAR.
    [[nodiscard]] bool overlaps(const ivshmem::bar_info& bar) const noexcept {
        return base < bar.start + bar.size && bar.start < base + size;
    }
    bool operator==(const mtrr_range& other) const noexcept {
        return base == other.base && size == other.size;
    }
    /// "base=0x... size=0x... type=uncachable": the line that gives it to /proc/mtrr.
    [[nodiscard]] std::string line() const;
};

/// The ranges under ROOT/proc/mtrr that keep a BAR from being cached; nothing where the file cannot
/// be read.
[[nodiscard]] std::optional<std::vector<mtrr_range>>
uncachable_over(const std::filesystem::path& root, const ivshmem::bar_info& bar);

/// Why ranges over this BAR may not be dropped although they keep it from being cached; empty where
/// they may.
[[nodiscard]] std::string why_not_cachable(const std::filesystem::path& root,
                                           const ivshmem::bar_info& bar);

} // namespace ivshmemctl
