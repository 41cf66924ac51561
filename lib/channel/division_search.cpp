// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/division_search.hpp"

#include "channel/layout.hpp"

#include <algorithm>

namespace ivshmem {

using words = shared_words;

bool holder_is_gone(device::impl& at, std::uint16_t id) {
    const auto& facts = at.facts();
    // A VFIO device is open in one process at a time.
    if (facts.kind == backend_kind::vfio)
        return id == facts.id && facts.vectors != 0;
    if (!facts.capabilities.peer_events || id == facts.id)
        return false;
    failure f;
    const auto connected = at.peers(f);
    return !f && std::find(connected.begin(), connected.end(), id) == connected.end();
}

division_search::division_search(device::impl& at, const slot_options& options)
    : device_{at}, options_{options},
      memory_size_{at.facts().memory.size()}, all_{at.facts().memory.data(), false} {}

division division_search::choose(failure& f) {
    const memory_region region = options_.region.value_or(memory_region{0, memory_size_});
    division chosen{region, options_.geometry.value_or(largest_rings(region.size, 4, 4)), 0};
    if (region.offset % layout::page != 0 || region.size % layout::page != 0 || region.size == 0 ||
        region.offset > memory_size_ || region.size > memory_size_ - region.offset)
        f.set(
            std::make_error_code(std::errc::invalid_argument),
            formatted("{}: the region of {} bytes from {:#x} on is not made of whole pages of the "
                      "{} bytes of shared memory",
                      device_.facts().name, region.size, region.offset, memory_size_));
    else if (!is_valid(chosen.geometry))
        f.set(errc::bad_geometry, "{} slots, {} lanes, rings of {} bytes: {}",
              chosen.geometry.slots, chosen.geometry.lanes, chosen.geometry.ring_size,
              make_error_code(errc::bad_geometry).message());
    if (f)
        return chosen;
    chosen = divided(region, chosen.geometry);
    look(chosen, (!options_.geometry || !options_.region) && !options_.reformat, f);
    if (!f && region_needed(chosen.geometry) > chosen.region.size)
        f.set(errc::region_too_small,
              "{}: {} bytes are needed for {}; take fewer slots or lanes, smaller rings, or give "
              "the VMs more memory",
              device_.facts().name, region_needed(chosen.geometry), in_words(chosen));
    return chosen;
}

void division_search::confirm(const division& chosen, failure& f) {
    division same = chosen;
    look(same, false, f);
}

void division_search::look(division& chosen, bool adopt, failure& f) {
    for (std::uint64_t offset = 0; !f && offset + layout::header::size <= memory_size_;
         offset += layout::page) {
        const words at = all_.at(offset);
        if (at.load(layout::header::magic) != layout::magic ||
            at.look(layout::header::incarnation) == 0)
            continue;
        const slot_header found{at, memory_size_};
        if (found.agrees(chosen, offset))
            adopt = false;
        // Others are chance matches or a peer's data.
        else if (found.divides.begin_of(found.slot) != offset ||
                 (found.has_this_major() && (!found.divides.is_possible_in(memory_size_) ||
                                             found.slot >= found.divides.geometry.slots)) ||
                 !meet(at, found, chosen, adopt, f))
            continue;
        offset += found.divides.section_size - layout::page; // the rest is that peer's data
    }
}

bool division_search::meet(const words& at, const slot_header& found, division& chosen, bool& adopt,
                           failure& f) {
    const auto& name = device_.facts().name;
    const bool adoptable = adopt && found.has_this_major() && is_adoptable(found.divides);
    if (found.has_this_major() && !adoptable && !found.divides.overlaps(chosen.region))
        return found.divides == divided(found.divides.region, found.divides.geometry);
    if (options_.reformat) {
        at.publish(layout::header::incarnation, 0);
        return false;
    }
    if (holder_is_gone(device_, static_cast<std::uint16_t>(at.load(layout::header::peer))))
        return false;
    if (!found.has_this_major()) {
        f.set(errc::layout_version,
              "{}: a peer, at offset {:#x}, uses version {}.{} of the layout, this one is {}.{}; "
              "bring both to one version, or reformat if that peer is gone",
              name, found.divides.begin_of(found.slot), found.version >> 16U,
              found.version & 0xffffU, layout::version >> 16U, layout::version & 0xffffU);
        return false;
    }
    if (adoptable) {
        chosen = found.divides;
        adopt = false;
        return true;
    }
    f.set(errc::geometry_mismatch,
          "{}: the peer in slot {} divides the memory into {}, this one asks for {}; use the "
          "peer's, or reformat if that peer is gone",
          name, found.slot, in_words(found.divides), in_words(chosen));
    return false;
}

bool division_search::is_adoptable(const division& theirs) const {
    return theirs == divided(theirs.region, theirs.geometry) &&
           (!options_.region || *options_.region == theirs.region) &&
           (!options_.geometry || *options_.geometry == theirs.geometry);
}

} // namespace ivshmem
