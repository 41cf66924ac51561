// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "bar_pages.hpp"

#include "base/failure.hpp"
#include "discovery/sysfs.hpp"

#include <cstdint>
#include <sstream>
#include <string>

#include <unistd.h>

namespace ivshmem_share {

using ivshmem::failure;
using ivshmem::sysfs_dir;

namespace {

struct pages {
    std::uint64_t first;
    std::uint64_t last;
};

/// Whether a line of `resource` is memory in these pages. A malformed line is.
bool touches(const std::string& line, const pages& own, std::uint64_t page) {
    std::istringstream words{line};
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t flags = 0;
    words >> std::hex >> start >> end >> flags;
    if (!words)
        return true;
    return (flags & ivshmem::resource_memory) != 0 && start / page <= own.last &&
           end / page >= own.first;
}

} // namespace

bool has_pages_to_itself(const std::filesystem::path& root, const ivshmem::device_info& info,
                         std::size_t bar) {
    constexpr std::uint64_t bridge = 0x0604;  // PCI: base class and sub-class
    constexpr std::size_t bars_of_bridge = 7; // what follows is windows, with the BARs behind it
    constexpr std::size_t most_bars = 13;     // with those of virtual functions
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const auto& own = info.bars[bar];
    const pages mine{own.start / page, (own.start + own.size - 1) / page};
    const sysfs_dir all{(root / "sys/bus/pci/devices").string()};
    failure f;
    const auto names = all.entries(f);
    if (!names || !own.present())
        return false;
    for (const std::string& name : *names) {
        const sysfs_dir one = all.dir(name);
        failure unreadable;
        const auto type = one.number("class", 0xffffff, unreadable);
        const auto lines = one.bytes("resource", sysfs_dir::max_read, unreadable);
        if (!lines) // removed in the meantime
            continue;
        std::istringstream text{*lines};
        const std::size_t most = type && *type >> 8U == bridge ? bars_of_bridge : most_bars;
        std::string line;
        for (std::size_t number = 0; number < most && std::getline(text, line); ++number)
            if ((name != to_string(info.address) || number != bar) && touches(line, mine, page))
                return false;
    }
    return true;
}

} // namespace ivshmem_share
