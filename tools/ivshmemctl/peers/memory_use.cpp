// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/memory_use.hpp"

#include "memory/aligned_copy.hpp"

#include <ivshmem/detail/layout.hpp>
#include <ivshmem/detail/shared_words.hpp>
#include <ivshmem/region_geometry.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

namespace ivshmemctl {
namespace {

namespace layout = ivshmem::detail::layout;
using words = ivshmem::detail::shared_words;

struct division {
    std::uint32_t slots = 0;
    std::uint64_t section_size = 0;
};

/// How the header of a slot that lies at `offset`, if one does, divides the memory.
std::optional<division> division_at(const words& header, std::uint64_t offset,
                                    std::uint64_t region) {
    if (header.load(layout::header::magic) != layout::magic ||
        header.load(layout::header::version) >> 16U != layout::version >> 16U)
        return std::nullopt;
    const ivshmem::region_geometry g{header.load(layout::header::slots),
                                     header.load(layout::header::lanes),
                                     header.load(layout::header::ring_size)};
    if (!is_valid(g) || region_needed(g) > region)
        return std::nullopt;
    const std::uint64_t size = region / g.slots / layout::page * layout::page;
    const std::uint32_t slot = header.load(layout::header::slot);
    if (slot >= g.slots || slot * size != offset)
        return std::nullopt;
    return division{g.slots, size};
}

bool is_held(const words& header) {
    return header.load(layout::header::incarnation) != 0;
}

/// Whether it is known that nobody with this id is there: a VFIO device is open in one process at
/// a time, and a server tells who is connected.
bool is_gone(ivshmem::device& device, std::uint16_t id) {
    if (device.backend() == ivshmem::backend_kind::vfio)
        return id == device.id() && device.vectors() != 0;
    if (!device.capabilities().peer_events)
        return false;
    const auto connected = device.peers();
    return std::find(connected.begin(), connected.end(), id) == connected.end();
}

} // namespace

memory_use inspect_memory(ivshmem::device& device) {
    const auto& memory = device.memory();
    const words all{memory.data(), false};
    std::optional<division> divided;
    for (std::uint64_t offset = 0; offset + layout::header::size <= memory.size();
         offset += layout::page) {
        const auto found = division_at(all.at(offset), offset, memory.size());
        // Those that are held say how it is divided now.
        if (found && (!divided || is_held(all.at(offset))))
            divided = found;
        if (found && is_held(all.at(offset)))
            break;
    }
    memory_use use;
    if (!divided)
        return use;
    use.channels = true;
    for (std::uint32_t slot = 0; slot < divided->slots; ++slot) {
        const std::uint64_t offset = slot * divided->section_size;
        const words header = all.at(offset);
        if (!division_at(header, offset, memory.size()) || !is_held(header))
            continue;
        const auto peer = static_cast<std::uint16_t>(header.load(layout::header::peer));
        if (!is_gone(device, peer))
            use.held.push_back({slot, peer});
    }
    return use;
}

bool has_other_data(const ivshmem::shared_memory& memory, progress& bar) {
    const words all{memory.data(), false};
    std::array<std::byte, layout::page> page{};
    for (std::uint64_t offset = 0; offset < memory.size(); bar.at(offset)) {
        const auto rest = memory.bytes().subspan(offset);
        if (rest.size() >= layout::header::size)
            if (const auto found = division_at(all.at(offset), offset, memory.size())) {
                offset += found->section_size;
                continue;
            }
        const auto part = std::span{page}.first(std::min(rest.size(), page.size()));
        copy_from(memory.mode(), rest.first(part.size()), part.data());
        if (std::any_of(part.begin(), part.end(), [](std::byte b) { return b != std::byte{}; }))
            return true;
        offset += part.size();
    }
    return false;
}

} // namespace ivshmemctl
