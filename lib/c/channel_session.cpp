// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/channel_object.hpp"
#include "c/failures.hpp"
#include "c/structs.hpp"

#include <memory>

using namespace ivshmem::capi;

extern "C" {

int ivshmem_channel_open(ivshmem_slot* slot, uint32_t to, uint32_t lane,
                         const ivshmem_channel_options* options, ivshmem_channel** channel) {
    return guarded([&] {
        const auto& held = use<slot_object>(slot).held;
        require(channel);
        *channel = make_channel(
            held, ivshmem::channel::open(held->slot, to, lane, channel_options_from(options)));
    });
}

int ivshmem_channel_close(ivshmem_channel* channel) {
    return guarded([&] { end_handle<channel_object>(channel); });
}

int ivshmem_channel_finish(ivshmem_channel* channel) {
    return guarded([&] { use<channel_object>(channel).channel.finish(); });
}

int ivshmem_channel_reopen(ivshmem_channel* channel) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        of.channel.reopen();
        of.reserved.reset();
        of.peeked = false;
    });
}

int ivshmem_channel_get_facts(ivshmem_channel* channel, ivshmem_channel_facts* facts) {
    return guarded([&] {
        const auto& of = use<channel_object>(channel);
        ivshmem_channel_facts result{};
        result.state = static_cast<int>(of.channel.state());
        result.peer_slot = of.channel.peer_slot();
        result.lane = of.channel.lane();
        result.peer_incarnation = of.channel.peer_incarnation();
        result.peer_max_message = of.channel.peer_max_message();
        result.max_whole_message = of.channel.max_whole_message();
        result.unread = of.driver.unread();
        result.violation = static_cast<int>(of.channel.violation());
        result.is_polling = of.channel.is_polling() ? 1 : 0;
        result.peer_finished = of.channel.peer_finished() ? 1 : 0;
        result.rings = of.driver.rings();
        give_facts(result, facts);
    });
}

int ivshmem_channel_update(ivshmem_channel* channel, int* state) {
    return guarded([&] {
        const auto now = use<channel_object>(channel).channel.update();
        if (state != nullptr)
            *state = static_cast<int>(now);
    });
}

int ivshmem_channel_arm(ivshmem_channel* channel, uint32_t what, int* may_sleep) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        require(may_sleep);
        require((what &
                 ~std::uint32_t{IVSHMEM_WAKE_DATA | IVSHMEM_WAKE_ROOM | IVSHMEM_WAKE_DRAINED}) == 0,
                "ivshmem_channel_arm: no combination of ivshmem_wake");
        *may_sleep = of.driver.arm(what) ? 1 : 0;
    });
}

int ivshmem_channel_disarm(ivshmem_channel* channel) {
    return guarded([&] { use<channel_object>(channel).driver.disarm(); });
}

int ivshmem_channel_ring_again(ivshmem_channel* channel) {
    return guarded([&] { use<channel_object>(channel).driver.ring_again(); });
}

int ivshmem_channel_settle(ivshmem_channel* channel) {
    return guarded([&] { use<channel_object>(channel).driver.settle(); });
}

} // extern "C"
