// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/memtype.hpp"

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

namespace ivshmem {

std::optional<cache_mode> mapped_memtype(const std::filesystem::path& root, std::uint64_t start) {
    std::ifstream list{root / "sys/kernel/debug/x86/pat_memtype_list"};
    for (std::string line; std::getline(list, line);) {
        // PAT: [mem 0x0000000800000000-0x0000000800400000] write-back
        std::uint64_t first = 0;
        std::uint64_t end = 0;
        int type = 0;
        if (std::sscanf(line.c_str(), "PAT: [mem 0x%" SCNx64 "-0x%" SCNx64 "] %n", &first, &end,
                        &type) != 2 ||
            type == 0 || start < first || start >= end)
            continue;
        const std::string name = line.substr(static_cast<std::size_t>(type));
        if (name == "write-back")
            return cache_mode::write_back;
        if (name == "write-combining")
            return cache_mode::write_combining;
        return cache_mode::uncached;
    }
    return std::nullopt;
}

std::optional<bool> mtrr_forbids_write_back(const std::filesystem::path& root, std::uint64_t start,
                                            std::uint64_t size) {
    std::ifstream list{root / "proc/mtrr"};
    if (!list)
        return std::nullopt;
    for (std::string line; std::getline(list, line);) {
        // reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable
        std::uint64_t base = 0;
        std::uint64_t length = 0;
        char unit = 'M';
        const auto size_at = line.find("size=");
        if (std::sscanf(line.c_str(), "reg%*u: base=0x%" SCNx64, &base) != 1 ||
            size_at == std::string::npos ||
            std::sscanf(line.c_str() + size_at, "size=%" SCNu64 "%cB", &length, &unit) != 2)
            continue;
        length <<= unit == 'K' ? 10U : 20U;
        const bool overlaps = base < start + size && start < base + length;
        if (overlaps && line.find("write-back") == std::string::npos)
            return true;
    }
    return false;
}

} // namespace ivshmem
