// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/memory_use.hpp"

#include "memory/aligned_copy.hpp"
#include "open_device.hpp"

#include <ivshmem/discovery.hpp>
#include <ivshmem/slot_section.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ivshmemctl {
namespace {

/// The channels of a newcomer need 50 MB: 4 slots, 4 lanes and rings of 1 MiB.
constexpr std::uint64_t enough_for_channels = 1U << 26U;

/// Returns the sections that channels use, or have used.
std::vector<ivshmem::slot_section> sections_of(const ivshmem::device& device) {
    return ivshmem::find_slot_sections(channel_memory(device));
}

} // namespace

ivshmem::device open_with_channels(const common_options& common) {
    if (!no_memory(common))
        return open_device(common);
    const auto all = common.device.choose(ivshmem::discover(common.sysroot)).memory_size();
    if (all <= largest_window)
        return open_device(common);
    const auto open = [&](std::uint64_t size) {
        return open_device(common, std::nullopt, ivshmem::memory_region{0, size});
    };
    auto device = open(enough_for_channels);
    std::uint64_t needed = 0;
    for (const auto& of : sections_of(device)) {
        constexpr std::uint64_t page = 4096; // a section is rounded down to it
        needed = std::max(needed, of.offset + (of.slots - of.slot) * (of.size + page));
    }
    if (needed > enough_for_channels) {
        device.close(); // a device may be open only once
        device = open(std::min(all, needed));
    }
    return device;
}

std::span<const std::byte> channel_memory(const ivshmem::device& device) {
    return device.generation() == ivshmem::device_generation::v2 ? device.output_sections()
                                                                 : device.memory().bytes();
}

memory_use inspect_memory(const ivshmem::device& device) {
    const auto sections = sections_of(device);
    memory_use use;
    use.channels = !sections.empty();
    // Sections that are held show how the memory is divided now; others may be older.
    const auto first = std::find_if(sections.begin(), sections.end(),
                                    [](const ivshmem::slot_section& s) { return s.held; });
    for (const auto& section : sections)
        if (section.held && section.slots == first->slots)
            use.held.push_back({section.slot, section.peer});
    return use;
}

bool has_other_data(const ivshmem::device& device, progress& bar) {
    const bool v2 = device.generation() == ivshmem::device_generation::v2;
    const auto memory = v2 ? device.output_section(device.id()) : device.memory().bytes();
    const auto sections = sections_of(device);
    if (v2 && std::any_of(sections.begin(), sections.end(),
                          [&](const ivshmem::slot_section& s) { return s.slot == device.id(); }))
        return false;
    auto next = v2 ? sections.end() : sections.begin();
    std::array<std::uint64_t, 512> words{}; // an eighth of the work of bytes
    for (std::uint64_t offset = 0; offset < memory.size(); bar.update(offset)) {
        if (next != sections.end() && next->offset == offset) {
            offset += next->size;
            ++next;
            continue;
        }
        const auto rest = memory.subspan(offset);
        const auto part = rest.first(std::min(rest.size(), sizeof words));
        if (part.size() < sizeof words)
            words.fill(0);
        copy_from(device.memory().mode(), part, std::as_writable_bytes(std::span{words}).data());
        if (std::any_of(words.begin(), words.end(), [](std::uint64_t word) { return word != 0; }))
            return true;
        offset += part.size();
    }
    return false;
}

} // namespace ivshmemctl
