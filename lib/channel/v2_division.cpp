// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/v2_division.hpp"

#include "channel/layout.hpp"

#include <algorithm>

namespace ivshmem {

namespace {

constexpr std::uint32_t most_slots = 256; // of a geometry

std::uint32_t slots_of(const v2_facts& v2) {
    return std::min(v2.max_peers, most_slots);
}

/// As on v1, it leaves memory to topics.
region_geometry default_v2_geometry(std::uint64_t region, std::uint32_t slots) {
    constexpr std::uint32_t lanes = 4;
    return largest_rings(region - region / 8, slots, lanes);
}

} // namespace

shared_words channel_memory(const backend_facts& facts) noexcept {
    // The sections of others are only read.
    return {facts.v2 ? const_cast<std::byte*>(facts.v2->outputs.data()) // NOLINT
                     : facts.memory.data(),
            facts.memory.mode() == cache_mode::write_combining};
}

division v2_division::with(const region_geometry& geometry) const noexcept {
    const std::uint64_t section = facts_.v2->output.size();
    return {{0, section * slots_of(*facts_.v2)}, geometry, section};
}

division v2_division::choose(failure& f) const {
    const std::uint32_t slots = slots_of(*facts_.v2);
    division chosen = with({});
    chosen.geometry = options_.geometry.value_or(default_v2_geometry(chosen.region.size, slots));
    if (options_.region)
        f.set(
            errc::sections_fixed,
            "{}: an ivshmem-v2 device divides its memory itself: leave slot_options::region empty",
            facts_.name);
    else if (chosen.geometry.slots != slots)
        f.set(errc::sections_fixed,
              "{}: {} slots were asked for, but the ivshmem-v2 device has {} (256 at most)",
              facts_.name, chosen.geometry.slots, slots);
    else if (!is_valid(chosen.geometry))
        f.set(errc::bad_geometry, "{} slots, {} lanes, rings of {} bytes: {}",
              chosen.geometry.slots, chosen.geometry.lanes, chosen.geometry.ring_size,
              make_error_code(errc::bad_geometry).message());
    else
        look(chosen, !options_.geometry, f);
    if (!f)
        check(chosen, f);
    return chosen;
}

void v2_division::check(const division& wanted, failure& f) const {
    if (region_needed(wanted.geometry) > wanted.region.size)
        f.set(
            errc::region_too_small,
            "{}: output sections of {} bytes are needed for {}, but the device has {}; take fewer "
            "lanes or smaller rings, or give it larger output sections",
            facts_.name, region_needed(wanted.geometry) / wanted.geometry.slots, in_words(wanted),
            wanted.section_size);
}

void v2_division::confirm(const division& chosen, failure& f) const {
    division same = chosen;
    look(same, false, f);
}

void v2_division::look(division& chosen, bool adopt, failure& f) const {
    // Smaller sections than a header cannot have one.
    if (options_.reformat || chosen.section_size < layout::header::size)
        return;
    const shared_words all = channel_memory(facts_);
    for (std::uint32_t slot = 0; !f && slot < slots_of(*facts_.v2); ++slot) {
        if (slot == facts_.id || facts_.v2->state_of(slot) == 0)
            continue;
        const shared_words header = all.at(chosen.begin_of(slot));
        const slot_header theirs{header, chosen.region.size};
        if (theirs.magic != layout::magic || header.look(layout::header::incarnation) == 0)
            continue;
        if (theirs.has_this_major() &&
            (theirs.slot != slot || theirs.divides != with(theirs.divides.geometry)))
            continue; // no header of this device
        if (theirs.has_this_major() && theirs.divides.geometry == chosen.geometry)
            adopt = false;
        else if (adopt && theirs.has_this_major() && is_valid(theirs.divides.geometry) &&
                 region_needed(theirs.divides.geometry) <= chosen.region.size)
            chosen = theirs.divides, adopt = false;
        else
            refuse(slot, theirs, chosen, f);
    }
}

void v2_division::refuse(std::uint32_t slot, const slot_header& theirs, const division& chosen,
                         failure& f) const {
    if (theirs.has_this_major())
        return f.set(
            errc::geometry_mismatch,
            "{}: the peer {} has {} lanes and rings of {} bytes, this one asks for {} and {}; "
            "use the peer's, or set slot_options::reformat to do without that peer",
            facts_.name, slot, theirs.divides.geometry.lanes, theirs.divides.geometry.ring_size,
            chosen.geometry.lanes, chosen.geometry.ring_size);
    f.set(errc::layout_version,
          "{}: the peer {} uses version {}.{} of the layout, this one is {}.{}; bring both to one "
          "version, or set slot_options::reformat to do without that peer",
          facts_.name, slot, theirs.version >> 16U, theirs.version & 0xffffU,
          layout::version >> 16U, layout::version & 0xffffU);
}

} // namespace ivshmem
