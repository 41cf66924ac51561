// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/slot_impl.hpp"

#include "channel/layout.hpp"

namespace ivshmem {

errc slot::impl::why_not() const noexcept {
    if (!device_->page()->alive)
        return errc::forked;
    return lost_ ? errc::slot_lost : errc::closed;
}

bool slot::impl::answer_claims() {
    if (!usable())
        return false;
    const words mine = header(number_);
    if (mine.look(layout::header::incarnation) != incarnation_) {
        held_ = false;
        lost_ = true;
        return false;
    }
    if (mine.load(layout::header::claim) != incarnation_)
        mine.publish(layout::header::claim, incarnation_);
    return true;
}

void slot::impl::leave() noexcept {
    if (!usable())
        return;
    const words mine = header(number_);
    // Who claims the slot already is to find it as it is: it may be taken before this is through.
    if (mine.look(layout::header::incarnation) == incarnation_ &&
        mine.load(layout::header::claim) == incarnation_) {
        for (std::uint32_t other = 0; other < geometry_.slots; ++other) {
            for (std::uint32_t lane = 0; other != number_ && lane < geometry_.lanes; ++lane) {
                if (!lane_taken(other, lane))
                    continue;
                const words left = block(number_, other, lane);
                const std::uint32_t said = left.load(layout::block::flags); // a reason, perhaps
                left.publish(layout::block::flags, said | layout::finished | layout::deaf);
            }
        }
        mine.publish(layout::header::incarnation, 0);
        mine.publish(layout::header::claim, 0);
        ring_everyone();
    }
    held_ = false;
}

std::optional<slot_holder> slot::impl::find_holder(std::uint32_t slot) const {
    const words theirs = header(slot);
    const std::uint32_t incarnation = theirs.look(layout::header::incarnation);
    if (incarnation == 0 || !agrees(theirs, section_size_ * slot))
        return std::nullopt;
    return slot_holder{slot, incarnation,
                       static_cast<std::uint16_t>(theirs.load(layout::header::peer))};
}

std::uint64_t slot::impl::block_size() const noexcept {
    return layout::block::ring + geometry_.ring_size;
}

slot::impl::words slot::impl::block(std::uint32_t owner, std::uint32_t other,
                                    std::uint32_t lane) const {
    const std::uint64_t number =
        std::uint64_t{other < owner ? other : other - 1} * geometry_.lanes + lane;
    return all_.at(section_size_ * owner + layout::header::size + number * block_size());
}

void slot::impl::ring(std::uint16_t peer, std::uint16_t vector) const noexcept {
    const detail::doorbell_page& page = *device_->page();
    if (vector < page.vector_end) {
        detail::publish();
        *page.doorbell = detail::to_register(std::uint32_t{peer} << 16U | vector);
    } else if (page.alive && can_ring()) {
        failure in_vain;
        device_->ring(peer, vector, in_vain);
    }
}

void slot::impl::ring_holder(std::uint32_t slot) const noexcept {
    const words theirs = header(slot);
    const std::uint32_t attention = theirs.load(layout::header::attention);
    if (theirs.look(layout::header::incarnation) != 0 &&
        (attention & layout::attention_wanted) != 0)
        ring(static_cast<std::uint16_t>(theirs.load(layout::header::peer)),
             static_cast<std::uint16_t>(attention & layout::attention_vector));
}

void slot::impl::ring_everyone() const noexcept {
    for (std::uint32_t other = 0; other < geometry_.slots; ++other)
        if (other != number_)
            ring_holder(other);
}

std::size_t slot::impl::lane_index(std::uint32_t peer, std::uint32_t lane) const noexcept {
    return std::size_t{peer} * geometry_.lanes + lane;
}

bool slot::impl::take_lane(std::uint32_t peer, std::uint32_t lane) {
    if (lane_taken(peer, lane))
        return false;
    open_lanes_[lane_index(peer, lane)] = true;
    return true;
}

void slot::impl::free_lane(std::uint32_t peer, std::uint32_t lane, std::uint32_t served) noexcept {
    open_lanes_[lane_index(peer, lane)] = false;
    served_[lane_index(peer, lane)] = served;
}

bool slot::impl::lane_taken(std::uint32_t peer, std::uint32_t lane) const noexcept {
    return open_lanes_[lane_index(peer, lane)];
}

} // namespace ivshmem
