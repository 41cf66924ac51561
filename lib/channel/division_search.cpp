// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/division_search.hpp"

#include "channel/layout.hpp"
#include "channel/own_slots.hpp"

#include <algorithm>

namespace ivshmem {

using words = shared_words;

namespace {

/// The geometry of peers that were told none. It leaves memory to topics.
region_geometry default_geometry(std::uint64_t region) {
    return largest_rings(region - region / 8, 4, 4);
}

} // namespace

presence presence_of_holder(device::impl& at, std::uint16_t id) {
    const auto& facts = at.facts();
    // A VFIO device is open in one process at a time, so an earlier one held the slot; but ids of
    // an earlier server may be the same. Of the programs that share a device, the one that claims a
    // slot has reserved it first, so no other holds it.
    if (facts.kind == backend_kind::vfio || facts.kind == backend_kind::shared)
        return id == facts.id && facts.vectors != 0 ? presence::doubtful : presence::assumed;
    if (!facts.capabilities.peer_events || id == facts.id)
        return presence::assumed;
    failure f;
    const auto connected = at.peers(f);
    if (f || std::find(connected.begin(), connected.end(), id) != connected.end())
        return presence::assumed;
    return at.has_left(id) ? presence::gone : presence::doubtful;
}

division_search::division_search(device::impl& at, const slot_options& options)
    : device_{at}, options_{options}, memory_size_{at.facts().memory.size()},
      all_{at.facts().memory.data(), at.facts().memory.mode() == cache_mode::write_combining} {}

std::vector<found_header> division_search::headers(const division& of) const {
    return find_headers(all_, memory_size_, of);
}

division division_search::choose(failure& f) {
    const memory_region region = options_.region.value_or(memory_region{0, memory_size_});
    division chosen{region, options_.geometry.value_or(default_geometry(region.size)), 0};
    check(chosen, f);
    if (!f && options_.geometry)
        check_size(chosen, f);
    if (f)
        return chosen;
    chosen = divided(region, chosen.geometry);
    look(chosen, (!options_.geometry || !options_.region) && !options_.reformat, f);
    if (!f)
        check_size(chosen, f);
    return chosen;
}

void division_search::check(const division& wanted, failure& f) const {
    const auto& [region, geometry, unused] = wanted;
    if (region.offset % layout::page != 0 || region.size % layout::page != 0 || region.size == 0 ||
        region.offset > memory_size_ || region.size > memory_size_ - region.offset)
        f.set(
            std::make_error_code(std::errc::invalid_argument),
            formatted("{}: the region of {} bytes from {:#x} on is not made of whole pages of the "
                      "{} bytes of shared memory",
                      device_.facts().name, region.size, region.offset, memory_size_));
    else if (!is_valid(geometry))
        f.set(errc::bad_geometry, "{} slots, {} lanes, rings of {} bytes: {}", geometry.slots,
              geometry.lanes, geometry.ring_size, make_error_code(errc::bad_geometry).message());
}

void division_search::check_size(const division& wanted, failure& f) const {
    if (region_needed(wanted.geometry) > wanted.region.size)
        f.set(errc::region_too_small,
              "{}: {} bytes are needed for {}; take fewer slots or lanes, smaller rings, or give "
              "the VMs more memory",
              device_.facts().name, region_needed(wanted.geometry), in_words(wanted));
}

void division_search::look(division& chosen, bool adopt, failure& f) {
    for (const found_header& found : headers(chosen)) {
        if (f)
            return;
        if (!found.held && !found.beyond) // the holders of the latter may be out of sight
            continue;
        if (found.words.agrees(chosen, found.offset))
            adopt = false;
        else
            meet(found, chosen, adopt, f);
    }
}

void division_search::meet(const found_header& found, division& chosen, bool& adopt, failure& f) {
    const division& theirs = found.words.divides;
    const bool same_major = found.words.has_this_major();
    const bool adoptable = adopt && same_major && !found.beyond && is_adoptable(theirs);
    if (same_major && !adoptable && !theirs.overlaps(chosen.region))
        return;
    if (options_.reformat) {
        if (found.beyond)
            all_.at(found.offset).publish(layout::header::magic, 0);
        return all_.at(found.offset).publish(layout::header::incarnation, 0);
    }
    if (!found.beyond && !insists(found))
        return;
    if (adoptable) {
        chosen = theirs;
        adopt = false;
        return;
    }
    refuse(found, chosen, f);
}

void division_search::refuse(const found_header& found, const division& chosen, failure& f) const {
    const auto& name = device_.facts().name;
    if (!found.words.has_this_major())
        return f.set(errc::layout_version,
                     "{}: a peer, at offset {:#x}, uses version {}.{} of the layout, this one is "
                     "{}.{}; bring both to one version, or reformat if that peer is gone",
                     name, found.offset, found.words.version >> 16U, found.words.version & 0xffffU,
                     layout::version >> 16U, layout::version & 0xffffU);
    const memory_region& region = found.words.divides.region;
    if (found.beyond)
        return f.set(errc::region_too_small,
                     "{}: a peer with a larger memory laid it out: the device has {} bytes here, "
                     "there {} bytes or more; give the VMs the same size (QEMU: size= of the "
                     "memory-backend; the ivshmem server's -l), and restart the VM with the "
                     "smaller one",
                     name, memory_size_, region.offset + region.size);
    f.set(errc::geometry_mismatch,
          "{}: the peer in slot {} divides the memory into {}, this one asks for {}; use the "
          "peer's, or reformat if that peer is gone",
          name, found.words.slot, in_words(found.words.divides), in_words(chosen));
}

bool division_search::is_adoptable(const division& theirs) const {
    return (!options_.region || *options_.region == theirs.region) &&
           (!options_.geometry || *options_.geometry == theirs.geometry);
}

/// Whether the holder of a slot may be alive.
bool division_search::insists(const found_header& found) const {
    const words at = all_.at(found.offset);
    return own_slot::exists(found.words.slot, at.load(layout::header::incarnation)) ||
           presence_of_holder(device_, static_cast<std::uint16_t>(at.load(layout::header::peer))) !=
               presence::gone;
}

std::optional<division> division_search::announce(const division& chosen) {
    clear_others(chosen);
    const words first = all_.at(chosen.region.offset);
    const slot_header before{first, memory_size_};
    if (before.agrees(chosen, chosen.region.offset) && before.slot == 0)
        return std::nullopt;
    const bool was_header =
        before.magic == layout::magic && before.has_this_major() &&
        before.divides.is_possible_in(memory_size_) &&
        before.divides == divided(before.divides.region, before.divides.geometry);
    const bool held = before.magic == layout::magic && before.slot == 0 &&
                      first.look(layout::header::incarnation) != 0;
    if (was_header && held && insists({chosen.region.offset, before, held}))
        return std::nullopt; // it came in the meantime: confirm() fails
    first.publish(layout::header::magic, 0);
    first.publish(layout::header::incarnation, 0); // of a holder that is gone, or not of a header
    const fixed_words fixed = fixed_words_of(chosen, 0);
    for (std::size_t word = 1; word < fixed.size(); ++word)
        first.store(word * sizeof fixed[word], fixed[word]);
    first.publish(layout::header::magic, fixed[0]);
    return was_header ? std::optional{before.divides} : std::nullopt;
}

/// Takes the magic from the first headers of regions that nobody uses any more, if the region ends
/// in this one: otherwise a newcomer would take all in there for data.
void division_search::clear_others(const division& chosen) {
    for (const found_header& found : headers(chosen)) {
        const memory_region& theirs = found.words.divides.region;
        if (found.words.has_this_major() && found.words.slot == 0 &&
            theirs.offset < chosen.region.offset && found.words.divides.overlaps(chosen.region))
            all_.at(found.offset).publish(layout::header::magic, 0);
    }
}

void division_search::confirm(const division& chosen, const std::optional<division>& displaced,
                              failure& f) {
    division same = chosen;
    look(same, false, f);
    const auto check_at = [&](std::uint64_t offset, bool also_free) {
        const slot_header header{all_.at(offset), memory_size_};
        const found_header found{offset, header,
                                 all_.at(offset).look(layout::header::incarnation) != 0};
        const bool other = header.magic == layout::magic && header.has_this_major() &&
                           header.divides.is_possible_in(memory_size_) &&
                           header.divides != chosen &&
                           header.divides.begin_of(header.slot) == offset;
        if (!f && other && (also_free || (found.held && insists(found))))
            refuse(found, chosen, f);
    };
    check_at(chosen.region.offset, true); // of a claim that began after this one
    for (std::uint32_t slot = 0; !f && displaced && slot < displaced->geometry.slots; ++slot)
        check_at(displaced->begin_of(slot), false); // of a claim that began before
}

} // namespace ivshmem
