// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/mtrr.hpp"

#include "common/print.hpp"
#include "lockdown.hpp"

#include <cinttypes>
#include <cstdio>
#include <fstream>

namespace ivshmemctl {

std::string mtrr_range::line() const {
    return tools::format("base={:#x} size={:#x} type=uncachable", base, size);
}

std::optional<std::vector<mtrr_range>> uncachable_over(const std::filesystem::path& root,
                                                       const ivshmem::bar_info& bar) {
    std::ifstream list{root / "proc/mtrr"};
    if (!list)
        return std::nullopt;
    std::vector<mtrr_range> result;
    for (std::string line; std::getline(list, line);) {
        // reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable
        mtrr_range range;
        char unit = 'M';
        const auto size_at = line.find("size=");
        if (std::sscanf(line.c_str(), "reg%u: base=0x%" SCNx64, &range.number, &range.base) != 2 ||
            size_at == std::string::npos ||
            std::sscanf(line.c_str() + size_at, "size=%" SCNu64 "%cB", &range.size, &unit) != 2 ||
            !line.ends_with(": uncachable"))
            continue;
        range.size <<= unit == 'K' ? 10U : 20U;
        if (range.overlaps(bar))
            result.push_back(range);
    }
    return result;
}

std::string why_not_cachable(const std::filesystem::path& root, const ivshmem::bar_info& bar) {
    constexpr std::uint64_t four_gib = std::uint64_t{1} << 32U;
    if (!bar.present())
        return "there is no BAR2";
    if (!uncachable_over(root, bar))
        return "/proc/mtrr cannot be read: this machine has no MTRRs";
    if (bar.start < four_gib)
        return tools::format(
            "BAR2 lies at {:#x}, below 4 GiB, in one range with the registers of all "
            "devices; give the VM firmware or a size that puts it above (QEMU: "
            "OVMF, or 2 GiB of shared memory)",
            bar.start);
    if (const auto mode = lockdown(root); mode && *mode != "none")
        return "the kernel is locked down (" + *mode + "), so /dev/mem maps nothing";
    return {};
}

} // namespace ivshmemctl
