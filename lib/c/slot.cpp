// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/device_object.hpp"
#include "c/failures.hpp"
#include "c/slot_object.hpp"
#include "c/structs.hpp"

#include <ivshmem/slot_claim.hpp>

#include <chrono>
#include <memory>
#include <utility>

namespace ivshmem::capi {
namespace {

/// @param number Negative: a free slot.
slot_options slot_options_from(const ivshmem_slot_options& given, std::int32_t number) {
    require(given.region_size != 0 || given.region_offset == 0,
            "ivshmem_slot_options: region_offset without region_size");
    require(given.vector <= 0xffffU, "ivshmem_slot_options: a vector is at most 65535");
    const bool divided = given.slots != 0 || given.lanes != 0 || given.ring_size != 0;
    require(!divided || (given.slots != 0 && given.lanes != 0 && given.ring_size != 0),
            "ivshmem_slot_options: slots, lanes and ring_size must be set together");
    slot_options result;
    if (number >= 0)
        result.number = static_cast<std::uint32_t>(number);
    if (given.region_size != 0)
        result.region = memory_region{given.region_offset, given.region_size};
    if (divided)
        result.geometry = region_geometry{given.slots, given.lanes, given.ring_size};
    if (given.claim_time_ms != 0)
        result.claim_time = std::chrono::milliseconds{given.claim_time_ms};
    if (given.memory_for_parts != 0)
        result.memory_for_parts = given.memory_for_parts;
    result.heartbeat = std::chrono::milliseconds{given.heartbeat_ms};
    result.vector = static_cast<std::uint16_t>(given.vector);
    result.reformat = given.reformat != 0;
    return result;
}

struct claim_object {
    using handle_type = ivshmem_claim;
    static constexpr handle_kind kind = handle_kind::claim;

    std::shared_ptr<device> of;
    slot_claim claim;
    bool over = false;
};

held_slot& slot_of(const ivshmem_slot* handle) {
    auto& held = *use<slot_object>(handle).held;
    held.check_open();
    return held;
}

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_slot_claim(ivshmem_device* device, int32_t number, const ivshmem_slot_options* options,
                       ivshmem_slot** slot) {
    return guarded([&] {
        const auto of = use<device_object>(device).opened;
        require(slot);
        const auto wanted = slot_options_from(options_from(options), number);
        *slot = make_slot(of, number < 0 ? ivshmem::slot::claim_free(*of, wanted)
                                         : ivshmem::slot::claim(*of, wanted));
    });
}

int ivshmem_slot_close(ivshmem_slot* slot) {
    return guarded([&] { end_handle<slot_object>(slot); });
}

int ivshmem_claim_open(ivshmem_device* device, int32_t number, const ivshmem_slot_options* options,
                       ivshmem_claim** claim) {
    return guarded([&] {
        const auto of = use<device_object>(device).opened;
        require(claim);
        using what = ivshmem::slot_claim::of;
        *claim = make_handle(std::unique_ptr<claim_object>{
            new claim_object{of,
                             {*of, slot_options_from(options_from(options), number),
                              number < 0 ? what::free_slot : what::one_slot}}});
    });
}

int ivshmem_claim_step(ivshmem_claim* claim, int* pause_ms, ivshmem_slot** slot) {
    return guarded([&] {
        auto& of = use<claim_object>(claim);
        require(pause_ms);
        require(slot);
        if (of.over)
            throw ivshmem::error{ivshmem::errc::closed, "the claim is over: close it"};
        std::error_code ec;
        const auto pause = of.claim.step(ec);
        if (pause.count() != 0) {
            *pause_ms = static_cast<int>(pause.count());
            return -EAGAIN;
        }
        of.over = true;
        raise_if(ec);
        *slot = make_slot(of.of, of.claim.take());
        return 0;
    });
}

int ivshmem_claim_close(ivshmem_claim* claim) {
    return guarded([&] { end_handle<claim_object>(claim); });
}

int ivshmem_slot_get_facts(ivshmem_slot* slot, ivshmem_slot_facts* facts) {
    return guarded([&] {
        const auto& of = slot_of(slot).slot;
        ivshmem_slot_facts result{};
        result.number = of.number();
        result.incarnation = of.incarnation();
        result.slots = of.geometry().slots;
        result.lanes = of.geometry().lanes;
        result.ring_size = of.geometry().ring_size;
        result.vector = of.vector();
        result.has_interrupts = of.has_interrupts() ? 1 : 0;
        result.heartbeat_ms = static_cast<std::uint32_t>(of.heartbeat().count());
        result.region_offset = of.region().offset;
        result.region_size = of.region().size;
        result.channel_size = of.channel_size();
        result.repairs = of.repairs();
        give_facts(result, facts);
    });
}

int ivshmem_slot_get_application_memory(ivshmem_slot* slot, void** address, size_t* length) {
    return guarded([&] {
        const auto& of = slot_of(slot).slot;
        require(address);
        require(length);
        const auto memory = of.application_memory();
        *address = memory.data();
        *length = memory.size();
    });
}

int ivshmem_slot_get_holders(ivshmem_slot* slot, ivshmem_slot_holder* holders, size_t capacity,
                             size_t* count) {
    return guarded([&] {
        const auto& of = slot_of(slot).slot;
        require(count);
        require(holders != nullptr || capacity == 0, "ivshmem_slot_get_holders: holders is NULL");
        const auto found = of.holders();
        for (std::size_t i = 0; i < found.size() && i < capacity; ++i)
            holders[i] = {found[i].slot, found[i].incarnation, found[i].peer};
        *count = found.size();
    });
}

int ivshmem_slot_get_fd(ivshmem_slot* slot, int* fd) {
    return guarded([&] {
        const auto& of = slot_of(slot);
        require(fd);
        *fd = of.device->interrupt_fd(of.slot.vector());
    });
}

int ivshmem_slot_update(ivshmem_slot* slot) {
    return guarded([&] { slot_of(slot).update(); });
}

} // extern "C"
