// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/slot_impl.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/detail/layout.hpp>

// Falling asleep, and waking the peer ("Sleeping" of the layout).
namespace ivshmem {

namespace layout = detail::layout;

void channel::release() {
    if (slot_ == nullptr || !slot_->usable())
        return;
    consumer_.release();
    if (!peer_sleeps_)
        return;
    if (const std::uint32_t word = sleep_.to_ring_for_room(consumer_.cursor()); word != 0)
        ring(word);
}

void channel::wake_for_data() {
    if (slot_ == nullptr)
        return;
    if (const std::uint32_t word = sleep_.to_ring_for_data(); word != 0)
        ring(word);
}

void channel::ring(std::uint32_t wake_word) {
    ++rings_;
    slot_->ring(peer_id_, static_cast<std::uint16_t>(wake_word >> layout::wake_vector_shift));
}

void channel::ring_again() {
    if (state_ != state::connected || !peer_sleeps_)
        return;
    if (const std::uint32_t word = sleep_.still_asleep(); word != 0)
        ring(word);
}

bool channel::arm(std::uint32_t what) {
    if (state_ == state::connected && slot_->usable())
        settle();
    if (state_ == state::connected && !polling_ && slot_->usable())
        sleep_.ask(((what & for_data) != 0 ? layout::wake_data : 0) |
                       ((what & (for_room | for_drained)) != 0 ? layout::wake_room : 0),
                   (what & for_room) != 0 ? producer_.room_position() : producer_.end(),
                   options_.vector.value_or(slot_->vector()));
    if (!ready(what))
        return true;
    disarm();
    return false;
}

/// Whether there is something to do for who waits for `what`.
bool channel::ready(std::uint32_t what) {
    if (state_ == state::opening)
        return false;
    if (state_ == state::connected)
        look_at_session();
    if (state_ != state::connected || !slot_->usable())
        return true;
    if ((what & for_data) != 0 &&
        (!consumer_.empty() || (theirs_.look(layout::block::flags) & layout::finished) != 0))
        return true;
    if ((what & (for_room | for_drained)) == 0)
        return false;
    return deaf_ || !producer_.look_at_cursor() || ((what & for_room) != 0 && producer_.fits()) ||
           ((what & for_drained) != 0 && producer_.drained());
}

void channel::disarm() noexcept {
    if (slot_ && slot_->usable()) // else the memory is somebody else's, or gone
        sleep_.withdraw();
}

} // namespace ivshmem
