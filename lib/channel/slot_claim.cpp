// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/deadline.hpp"
#include "base/random_word.hpp"
#include "channel/layout.hpp"
#include "channel/slot_impl.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace ivshmem {

namespace {

/// Longer than any peer takes from looking at its claim to the end of moving in.
constexpr std::chrono::milliseconds free_slot_time{20};

std::string in_words(const region_geometry& g) {
    return formatted("{} slots, {} lanes, rings of {} bytes", g.slots, g.lanes, g.ring_size);
}

region_geometry geometry_in(const shared_words& header) {
    return {header.load(layout::header::slots), header.load(layout::header::lanes),
            header.load(layout::header::ring_size)};
}

std::uint64_t section_size_in(const shared_words& header) {
    return std::uint64_t{header.load(layout::header::section_size_high)} << 32U |
           header.load(layout::header::section_size_low);
}

} // namespace

std::shared_ptr<slot::impl> slot::impl::claim(std::shared_ptr<device::impl> device,
                                              const slot_options& options, failure& f) {
    auto claimed = std::make_shared<impl>();
    auto& self = *claimed;
    const auto& facts = device->facts();
    self.device_ = std::move(device);
    if (!self.device_->page()->alive)
        f.set(errc::forked, "{}: was opened by the parent process; open it again", facts.name);
    else if (options.claim_time.count() <= 0)
        f.set(std::make_error_code(std::errc::invalid_argument),
              "slot_options::claim_time must be positive");
    else if (self.interrupts() != 0 && options.vector >= self.interrupts())
        f.set(errc::vector_out_of_range, "{}: cannot be rung on vector {}, only on 0 to {}",
              facts.name, options.vector, self.interrupts() - 1);
#ifdef __aarch64__
    else if (facts.memory.mode() == cache_mode::uncached)
        f.set(errc::cache_mode_unavailable,
              "{}: channels need memory that is not device memory: map it write-combining",
              facts.name);
#endif
    if (f)
        return nullptr;
    self.vector_ = options.vector;
    self.region_ = facts.memory.size();
    self.all_ = {facts.memory.data(), facts.memory.mode() == cache_mode::write_combining};
    self.choose_geometry(options, f);
    if (!f)
        self.choose_number(options, f);
    if (!f)
        self.compete(options, f);
    if (f)
        return nullptr;
    self.move_in();
    self.look_for_others(options, false, f); // who came in the meantime with another geometry
    return f ? nullptr : claimed;
}

void slot::impl::choose_geometry(const slot_options& options, failure& f) {
    geometry_ = options.geometry ? *options.geometry : largest_rings(region_, 4, 4);
    if (!is_valid(geometry_))
        return f.set(errc::bad_geometry, "{}: {}", in_words(geometry_),
                     make_error_code(errc::bad_geometry).message());
    section_size_ = region_ / geometry_.slots / layout::page * layout::page;
    look_for_others(options, !options.geometry && !options.reformat, f);
    if (!f && region_needed(geometry_) > region_)
        f.set(errc::region_too_small,
              "{}: {} bytes of shared memory are too few for {}, which need {}; {}",
              device_->facts().name, region_, in_words(geometry_), region_needed(geometry_),
              "take fewer slots or lanes, smaller rings, or give the VMs more memory");
}

/// Whether what is at `offset` is a header that this geometry allows there.
bool slot::impl::agrees(const words& header, std::uint64_t offset) const {
    return header.load(layout::header::magic) == layout::magic &&
           header.load(layout::header::version) >> 16U == layout::version >> 16U &&
           geometry_in(header) == geometry_ && section_size_in(header) == section_size_ &&
           header.load(layout::header::slot) * section_size_ == offset;
}

/// Headers of held slots may be at any page, as long as the geometry is not known to be theirs.
void slot::impl::look_for_others(const slot_options& options, bool adopt, failure& f) {
    for (std::uint64_t offset = 0; offset + layout::header::size <= region_;
         offset += layout::page) {
        const words found = all_.at(offset);
        if (found.load(layout::header::magic) != layout::magic ||
            found.look(layout::header::incarnation) == 0)
            continue;
        if (agrees(found, offset)) {
            adopt = false;
            offset += section_size_ - layout::page; // what follows is that peer's data
            continue;
        }
        const std::uint32_t version = found.load(layout::header::version);
        const auto other = geometry_in(found);
        const std::uint64_t section_size = section_size_in(found);
        const std::uint32_t slot = found.load(layout::header::slot);
        const bool same_version = version >> 16U == layout::version >> 16U;
        // Others are chance, or a peer's data.
        if (slot * section_size != offset ||
            (same_version &&
             (!is_valid(other) || slot >= other.slots || region_needed(other) > region_)))
            continue;
        if (options.reformat) {
            found.publish(layout::header::incarnation, 0);
        } else if (holder_is_gone(static_cast<std::uint16_t>(found.load(layout::header::peer)))) {
            continue;
        } else if (!same_version) {
            return f.set(errc::layout_version,
                         "{}: a peer, at offset {:#x}, uses version {}.{} of the layout, this one "
                         "is {}.{}; bring both to one version, or reformat if that peer is gone",
                         device_->facts().name, offset, version >> 16U, version & 0xffffU,
                         layout::version >> 16U, layout::version & 0xffffU);
        } else if (adopt && section_size == region_ / other.slots / layout::page * layout::page) {
            geometry_ = other;
            section_size_ = section_size;
            adopt = false;
            offset += section_size_ - layout::page;
        } else {
            return f.set(errc::geometry_mismatch,
                         "{}: the peer in slot {} divides the memory into {}, this one asks for "
                         "{}; use the peer's, or reformat if that peer is gone",
                         device_->facts().name, slot, in_words(other), in_words(geometry_));
        }
    }
}

void slot::impl::choose_number(const slot_options& options, failure& f) {
    const auto& facts = device_->facts();
    number_ = options.number.value_or(facts.id);
    if (number_ < geometry_.slots)
        return;
    if (options.number)
        return f.set(errc::slot_out_of_range, "{}: there is no slot {}, only 0 to {}", facts.name,
                     number_, geometry_.slots - 1);
    f.set(errc::slot_out_of_range,
          "{}: the device's id {} is not one of the slots 0 to {}; name a slot", facts.name,
          number_, geometry_.slots - 1);
}

bool slot::impl::holder_is_gone(std::uint16_t id) const {
    const auto& facts = device_->facts();
    // A VFIO device is open in one process at a time.
    if (facts.kind == backend_kind::vfio)
        return id == facts.id && facts.vectors != 0;
    if (!facts.capabilities.peer_events || id == facts.id)
        return false;
    failure f;
    const auto connected = device_->peers(f);
    return !f && std::find(connected.begin(), connected.end(), id) == connected.end();
}

void slot::impl::compete(const slot_options& options, failure& f) {
    const words mine = header(number_);
    incarnation_ = random_word();
    mine.publish(layout::header::claim, incarnation_);
    words::fence();
    const bool held = mine.look(layout::header::incarnation) != 0 &&
                      mine.load(layout::header::magic) == layout::magic;
    const auto holder = static_cast<std::uint16_t>(mine.load(layout::header::peer));
    if (held && !holder_is_gone(holder)) {
        // Doorbells may be lost: a living holder is rung again and again.
        const auto end = deadline_after(options.claim_time);
        do {
            ring_holder(number_);
            std::this_thread::sleep_for(std::min(options.claim_time, free_slot_time));
        } while (std::chrono::steady_clock::now() < end &&
                 mine.look(layout::header::claim) == incarnation_);
    } else {
        std::this_thread::sleep_for(free_slot_time);
    }
    if (mine.look(layout::header::claim) != incarnation_)
        f.set(errc::slot_in_use,
              "{}: slot {} is held by the peer with id {}; name another slot, or end that peer",
              device_->facts().name, number_, holder);
}

void slot::impl::move_in() {
    open_lanes_.assign(std::size_t{geometry_.slots} * geometry_.lanes, false);
    served_.assign(open_lanes_.size(), 0);
    const words mine = header(number_);
    mine.publish(layout::header::incarnation, 0);
    words::fence(); // before what follows
    for (std::size_t entry = 0; entry < layout::directory_entries; ++entry)
        mine.store(layout::header::directory + entry * layout::directory_entry_size, 0);
    for (std::uint32_t other = 0; other < geometry_.slots; ++other) {
        for (std::uint32_t lane = 0; other != number_ && lane < geometry_.lanes; ++lane) {
            const words cleared = block(number_, other, lane);
            cleared.publish(layout::block::epoch, 0);
            for (const auto word : {layout::block::ack, layout::block::flags, layout::block::wake})
                cleared.store(word, 0);
        }
    }
    mine.store(layout::header::magic, layout::magic);
    mine.store(layout::header::version, layout::version);
    mine.store(layout::header::slots, geometry_.slots);
    mine.store(layout::header::lanes, geometry_.lanes);
    mine.store(layout::header::ring_size, geometry_.ring_size);
    mine.store(layout::header::slot, number_);
    mine.store(layout::header::section_size_low, static_cast<std::uint32_t>(section_size_));
    mine.store(layout::header::section_size_high, static_cast<std::uint32_t>(section_size_ >> 32U));
    mine.store(layout::header::peer, device_->facts().id);
    mine.store(layout::header::attention,
               interrupts() == 0 ? 0 : layout::attention_wanted | vector_);
    mine.publish(layout::header::incarnation, incarnation_);
    words::fence();
    if (mine.load(layout::header::claim) != incarnation_) // by one who saw the slot free
        mine.publish(layout::header::claim, incarnation_);
    next_key_ = random_word();
    held_ = true;
    ring_everyone();
}

} // namespace ivshmem
