// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/channel_impl.hpp"

// Falling asleep, and waking the peer ("Sleeping" of the layout).
namespace ivshmem {

void channel::impl::release() {
    if (slot_ == nullptr || !slot_->usable())
        return;
    consumer_.release();
    if (!peer_sleeps_)
        return;
    if (const std::uint32_t word = sleep_.to_ring_for_room(consumer_.cursor()); word != 0)
        ring(word);
}

bool channel::impl::wake_for_data() {
    if (slot_ == nullptr)
        return true;
    if (const std::uint32_t word = sleep_.to_ring_for_data(); word != 0)
        ring(word);
    return true;
}

void channel::impl::ring(std::uint32_t wake_word) {
    ++rings_;
    slot_->ring(peer_id_, static_cast<std::uint16_t>(wake_word >> layout::wake_vector_shift));
}

void channel::impl::ring_again() {
    if (state_ != channel_state::connected || !peer_sleeps_)
        return;
    if (const std::uint32_t word = sleep_.still_asleep(); word != 0)
        ring(word);
}

bool channel::impl::arm(std::uint32_t what) {
    if (state_ == channel_state::connected && slot_->usable())
        settle();
    if (state_ == channel_state::connected && !polling_ && slot_->usable())
        sleep_.ask(((what & channel_driver::for_data) != 0 ? layout::wake_data : 0) |
                       ((what & (channel_driver::for_room | channel_driver::for_drained)) != 0
                            ? layout::wake_room
                            : 0),
                   (what & channel_driver::for_room) != 0 ? producer_.room_position()
                                                          : producer_.end(),
                   options_.vector.value_or(slot_->vector()));
    if (!ready(what))
        return true;
    disarm();
    return false;
}

/// Whether there is something to do for a side that waits for `what`.
bool channel::impl::ready(std::uint32_t what) {
    if (state_ == channel_state::opening)
        return false;
    if (state_ == channel_state::connected)
        look_at_session();
    if (state_ != channel_state::connected || !slot_->usable())
        return true;
    if ((what & channel_driver::for_data) != 0 &&
        (!consumer_.empty() || (theirs_.look(layout::block::flags) & layout::finished) != 0))
        return true;
    if ((what & (channel_driver::for_room | channel_driver::for_drained)) == 0)
        return false;
    return deaf_ || !producer_.look_at_cursor() ||
           ((what & channel_driver::for_room) != 0 && producer_.fits()) ||
           ((what & channel_driver::for_drained) != 0 && producer_.drained());
}

void channel::impl::disarm() noexcept {
    if (slot_ && slot_->usable()) // else the memory belongs to another peer, or is gone
        sleep_.withdraw();
}

} // namespace ivshmem
