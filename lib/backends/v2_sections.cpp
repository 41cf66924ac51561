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

std::vector<bar2_part> v2_parts(const v2_layout& layout, std::uint32_t max_peers,
                                std::uint16_t id) {
    const std::uint64_t outputs = layout.state_table + layout.read_write;
    std::vector<bar2_part> parts{{{0, layout.state_table}, PROT_READ}};
    if (layout.read_write != 0)
        parts.push_back({{layout.state_table, layout.read_write}});
    if (layout.output != 0) {
        parts.push_back({{outputs, layout.output * max_peers}, PROT_READ});
        parts.push_back({{outputs + layout.output * id, layout.output}});
    }
    return parts;
}

v2_sections v2_sections_in(const v2_layout& layout, std::span<const mapping* const> maps) {
    v2_sections sections;
    std::size_t next = 0;
    sections.states = maps[next++]->bytes();
    if (layout.read_write != 0)
        sections.read_write = maps[next++]->bytes();
    if (layout.output != 0) {
        sections.outputs = maps[next++]->bytes();
        sections.output = maps[next++]->bytes();
    }
    return sections;
}

} // namespace ivshmem
