// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "sharer.hpp"

// The slots that programs hold.

namespace ivshmem_share {

namespace protocol = ivshmem::share_protocol;
using protocol::packet_kind;

namespace {

/// The slots of all geometries have lower numbers (channel-layout.md).
constexpr std::uint32_t slot_end = 65536;
/// The slots that a program may hold, so that it cannot use up memory.
constexpr std::size_t most_slots = 1024;

} // namespace

void sharer::take_slot(const program_ptr& p, std::uint32_t slot) {
    protocol::packet answer{.what = packet_kind::slot, .value = slot};
    const auto holder = holders_.find(slot);
    if (holder != holders_.end() && holder->second != p) {
        protocol::put_text(answer.text, holder->second->label());
    } else if (slot >= slot_end ||
               (device_.facts().flags & protocol::is_v2 && slot != device_.facts().id) ||
               (p->slots.size() >= most_slots && !p->slots.contains(slot))) {
        protocol::put_text(answer.text, "no program may hold it, or so many");
    } else {
        holders_.insert_or_assign(slot, p);
        ++p->slots[slot];
        answer.other = 1;
        write_state();
    }
    send(p, answer);
}

void sharer::give_slot(program& p, std::uint32_t slot) {
    const auto own = p.slots.find(slot);
    if (own == p.slots.end() || --own->second != 0)
        return;
    p.slots.erase(own);
    holders_.erase(slot);
    write_state();
}

void sharer::take_back_slots(program& p) {
    for (const auto& [slot, times] : p.slots)
        holders_.erase(slot);
    auto& device = device_.backend();
    // Of ivshmem-v2 the only slot is the device's own, and has its state.
    if (device.facts().v2 && p.slots.contains(device.facts().id)) {
        ivshmem::failure in_vain; // the device goes away
        device.set_state(0, in_vain);
    }
    p.slots.clear();
}

} // namespace ivshmem_share
