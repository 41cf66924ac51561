// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/v2_sections.hpp"

#include <limits>

#include <unistd.h>

namespace ivshmem {

std::uint64_t check_v2_sizes(const std::string& name, const v2_layout& layout,
                             std::uint32_t max_peers, failure& f) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    constexpr auto most = std::uint64_t{std::numeric_limits<std::size_t>::max() / 2};
    const auto refuse = [&](const std::string& why) -> std::uint64_t {
        f.set(errc::sections_invalid,
              "{}: a state table of {:#x} bytes, a read/write section of {:#x} and output sections "
              "of "
              "{:#x}, for {} peers: {}; look at the hypervisor's configuration",
              name, layout.state_table, layout.read_write, layout.output, max_peers, why);
        return 0;
    };
    for (const std::uint64_t size :
         {std::uint64_t{layout.state_table}, layout.read_write, layout.output})
        if (size % page != 0)
            return refuse(formatted("{:#x} is no multiple of a page of {} bytes", size, page));
    if (layout.state_table < max_peers * sizeof(std::uint32_t))
        return refuse("the state table is too small");
    if (layout.read_write > most - layout.state_table ||
        layout.output > (most - layout.state_table - layout.read_write) / max_peers)
        return refuse("that is more than this process can map");
    return layout.state_table + layout.read_write + layout.output * max_peers;
}

v2_sections divide_v2_memory(const std::string& name, const mapping& all, const v2_layout& layout,
                             std::uint32_t max_peers, std::uint16_t id, failure& f) {
    const auto part = [&](std::uint64_t offset, std::uint64_t size) {
        return all.bytes().subspan(static_cast<std::size_t>(offset),
                                   static_cast<std::size_t>(size));
    };
    const std::uint64_t outputs = layout.state_table + layout.read_write;
    const auto before_own = part(outputs, layout.output * id);
    const auto after_own =
        part(outputs + layout.output * (id + 1U), layout.output * (max_peers - id - 1U));
    const auto states = part(0, layout.state_table);
    for (const auto& read_only : {states, before_own, after_own})
        if (!read_only.empty() && ::mprotect(read_only.data(), read_only.size(), PROT_READ) != 0)
            f.set_errno(errno, "{}: protecting the sections of others: mprotect", name);
    return {states, part(layout.state_table, layout.read_write),
            part(outputs, layout.output * max_peers), layout.output};
}

} // namespace ivshmem
