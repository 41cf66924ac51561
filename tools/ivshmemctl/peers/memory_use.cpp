// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/memory_use.hpp"

#include "memory/aligned_copy.hpp"

#include <ivshmem/slot_section.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace ivshmemctl {
namespace {

/// Returns whether the peer with this id is known to be gone: a VFIO device is open in one process
/// at a time, and a server reports the connected peers.
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
    const auto sections = ivshmem::find_slot_sections(device.memory().bytes());
    memory_use use;
    use.channels = !sections.empty();
    // Sections that are held show how the memory is divided now; others may be older.
    const auto first = std::find_if(sections.begin(), sections.end(),
                                    [](const ivshmem::slot_section& s) { return s.held; });
    for (const auto& section : sections)
        if (section.held && section.slots == first->slots && !is_gone(device, section.peer))
            use.held.push_back({section.slot, section.peer});
    return use;
}

bool has_other_data(const ivshmem::shared_memory& memory, progress& bar) {
    const auto sections = ivshmem::find_slot_sections(memory.bytes());
    auto next = sections.begin();
    std::array<std::byte, 4096> page{};
    for (std::uint64_t offset = 0; offset < memory.size(); bar.update(offset)) {
        if (next != sections.end() && next->offset == offset) {
            offset += next->size;
            ++next;
            continue;
        }
        const auto rest = memory.bytes().subspan(offset);
        const auto part = std::span{page}.first(std::min(rest.size(), page.size()));
        copy_from(memory.mode(), rest.first(part.size()), part.data());
        if (std::any_of(part.begin(), part.end(), [](std::byte b) { return b != std::byte{}; }))
            return true;
        offset += part.size();
    }
    return false;
}

} // namespace ivshmemctl
