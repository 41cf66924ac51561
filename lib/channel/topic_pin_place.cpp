// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/topic_pin_place.hpp"

#include "channel/topic_number.hpp"

#include <utility>

namespace ivshmem {

using words = shared_words;

std::shared_ptr<topic_pin_place> topic_pin_place::take(const std::shared_ptr<slot::impl>& in,
                                                       const found_topic& of, std::uint32_t most) {
    if (!in->still_held())
        return nullptr;
    const auto index = in->topics().find_pin(of, most);
    return index ? std::make_shared<topic_pin_place>(in, of, *index) : nullptr;
}

topic_pin_place::topic_pin_place(std::shared_ptr<slot::impl> in, const found_topic& of,
                                 std::size_t index)
    : slot_{std::move(in)}, topic_{of}, index_{index} {
    slot_->topics().use_pin(topic_, index_);
    slot_->header(slot_->number()).publish(pin() + layout::topic_pin::tag, topic_.key);
}

topic_pin_place::~topic_pin_place() {
    release();
    if (slot_->still_held())
        slot_->header(slot_->number()).store(pin() + layout::topic_pin::tag, 0);
    slot_->topics().give_back_pin(topic_, index_);
}

std::uint64_t topic_pin_place::pin() const noexcept {
    return slot_->topics().area().row(topic_.slot) + layout::topics::pins +
           index_ * layout::topic_pin::size;
}

bool topic_pin_place::hold(const consumer& by, const topic_record& message) {
    grant_ = find_grant(*slot_, topic_);
    held_ = true;
    mark_ = topic_number::mark(message.number);
    tag_ = topic_number::tag(topic_.key, message.number);
    const bool is_there = by.pin(slot_->header(slot_->number()), pin(), message);
    if (grant_ != 0 && is_there && find_grant(*slot_, topic_) == grant_)
        return true;
    release();
    return false;
}

bool topic_pin_place::stands() const {
    if (!held_ || !slot_->still_held())
        return false;
    words::fence(); // after what was read of the message
    const words mine = slot_->header(slot_->number());
    // The own words too: a process that held this slot before, and was stopped, may write to them.
    return mine.look(pin() + layout::topic_pin::mark) == mark_ &&
           mine.look(pin() + layout::topic_pin::tag) == tag_ &&
           find_grant(*slot_, topic_) == grant_ &&
           slot_->header(topic_.slot)
                   .look(slot_->topics().area().entry(topic_.number) + layout::topic::key) ==
               topic_.key;
}

void topic_pin_place::release() noexcept {
    if (!std::exchange(held_, false) || !slot_->still_held())
        return;
    const words mine = slot_->header(slot_->number());
    mine.publish(pin() + layout::topic_pin::mark, 0); // after what was read of the message
    mine.publish(pin() + layout::topic_pin::tag, topic_.key);
}

std::uint32_t topic_pin_place::find_grant(const slot::impl& in, const found_topic& of) {
    const words grants =
        in.header(of.slot).at(in.topics().area().entry(of.number) + layout::topic::grants);
    for (std::size_t index = 0; index < layout::topics::most_grants; ++index) {
        const std::size_t at = index * layout::topic_grant::size;
        const std::uint32_t reader = grants.look(at + layout::topic_grant::reader);
        if ((reader & layout::topic_grant_valid) != 0 && (reader & 0xffffU) == in.number() &&
            grants.load(at + layout::topic_grant::incarnation) == in.incarnation())
            return reader;
    }
    return 0;
}

} // namespace ivshmem
