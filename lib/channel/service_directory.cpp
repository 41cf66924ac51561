// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/twins.hpp"
#include "channel/layout.hpp"
#include "channel/name_bytes.hpp"
#include "channel/slot_impl.hpp"

#include <algorithm>

namespace ivshmem {

namespace {

using words = shared_words;

words entry(const words& header, std::size_t index) {
    return header.at(layout::header::directory + index * layout::directory_entry_size);
}

/// The key of a name in a directory, or 0 if it is not there.
std::uint32_t find_in(const words& header, const name_bytes& wanted) {
    for (std::size_t index = 0; index < layout::directory_entries; ++index) {
        const words at = entry(header, index);
        const std::uint32_t key = at.look(0);
        if (key == 0)
            continue;
        name_bytes name;
        at.read(layout::directory_name, name);
        words::fence();
        if (name == wanted && at.look(0) == key) // the entry did not change while it was read
            return key;
    }
    return 0;
}

} // namespace

std::uint32_t slot::impl::offer(std::string_view name, failure& f) {
    const name_bytes bytes = checked_name(name, f);
    if (f)
        return 0;
    const auto same = [&](const offered& o) {
        return o.name == bytes;
    };
    if (std::any_of(offers_.begin(), offers_.end(), same)) {
        f.set(errc::service_exists, "{}: slot {} offers this service already", name, number_);
        return 0;
    }
    for (std::size_t index = 0; index < layout::directory_entries; ++index) {
        const auto used = [&](const offered& o) {
            return o.index == index;
        };
        if (std::any_of(offers_.begin(), offers_.end(), used))
            continue;
        const words at = entry(header(number_), index);
        const std::uint32_t key = next_key_;
        next_key_ = key + 1 != 0 ? key + 1 : 1;
        at.write(layout::directory_name, bytes);
        at.publish(0, key);
        offers_.push_back({index, key, bytes});
        ring_everyone();
        return key;
    }
    f.set(errc::directory_full, "{}: slot {} offers {} services, the most it can", name, number_,
          layout::directory_entries);
    return 0;
}

void slot::impl::withdraw(std::uint32_t key) noexcept {
    const auto found = std::find_if(offers_.begin(), offers_.end(),
                                    [key](const offered& o) { return o.key == key; });
    if (!usable() || found == offers_.end())
        return;
    entry(header(number_), found->index).publish(0, 0);
    words::fence(); // before another name is written there
    offers_.erase(found);
}

bool slot::impl::check_directory() {
    const bool intact = std::all_of(offers_.begin(), offers_.end(), [&](const offered& o) {
        const words at = entry(header(number_), o.index);
        name_bytes name;
        at.read(layout::directory_name, name);
        return at.load(0) == o.key && name == o.name;
    });
    words::fence(); // a new holder writes the incarnation before it writes the rest
    if (!intact && answer_claims())
        leave_overwritten();
    return usable();
}

service_directory::service
slot::impl::find_service(std::string_view name, std::optional<std::uint32_t> in, failure& f) const {
    const name_bytes bytes = checked_name(name, f);
    if (f)
        return {};
    if (in && (*in >= geometry().slots || *in == number_)) {
        f.set(errc::slot_out_of_range, "slot {} cannot offer {} to slot {}", *in, name, number_);
        return {};
    }
    for (std::uint32_t slot = in.value_or(0); slot < (in ? *in + 1 : geometry().slots); ++slot) {
        if (slot == number_ || !find_holder(slot))
            continue;
        if (const std::uint32_t key = find_in(header(slot), bytes); key != 0 && !is_lost(slot))
            return {slot, key};
    }
    f.set(errc::service_unknown, "{}: no peer offers this service", name);
    return {};
}

/// Continues the search after the last result, and checks each lane once.
std::optional<service_directory::request> slot::impl::find_request(std::uint32_t key) {
    const std::size_t all = open_lanes_.size();
    for (std::size_t i = 0; i < all; ++i) {
        next_request_ = (next_request_ + 1) % all;
        const auto other = static_cast<std::uint32_t>(next_request_ / geometry().lanes);
        const auto lane = static_cast<std::uint32_t>(next_request_ % geometry().lanes);
        if (other == number_ || open_lanes_[next_request_] || !is_requested({other, lane}, key))
            continue;
        // A peer that was served, and has not yet noticed that the channel is closed, requests
        // nothing new.
        if (block(other, number_, lane).look(layout::block::epoch) != served_[next_request_])
            return service_directory::request{other, lane};
    }
    return std::nullopt;
}

bool slot::impl::is_requested(const service_directory::request& r, std::uint32_t key) const {
    const words theirs = block(r.slot, number_, r.lane);
    return theirs.look(layout::block::epoch) != 0 && theirs.load(layout::block::service) == key &&
           (theirs.load(layout::block::flags) & layout::deaf) == 0 && !is_lost(r.slot);
}

std::uint32_t slot::impl::find_lane(std::uint32_t to, failure& f) const {
    if (to >= geometry().slots || to == number_) {
        f.set(errc::slot_out_of_range, "slot {} has no lanes to slot {}", number_, to);
        return 0;
    }
    // A peer that reported a fault may still have its side of the lane open: such a lane comes
    // last.
    for (const bool offended : {false, true}) {
        for (std::uint32_t lane = geometry().lanes; lane-- > 0;) {
            const words theirs = block(to, number_, lane);
            const std::uint32_t flags = theirs.load(layout::block::flags);
            const bool closed =
                theirs.look(layout::block::epoch) == 0 || (flags & layout::deaf) != 0;
            if (!lane_taken(to, lane) && closed && (flags >> layout::reason_shift != 0) == offended)
                return lane;
        }
    }
    f.set(errc::lane_in_use, "all {} lanes between the slots {} and {} are in use",
          geometry().lanes, number_, to);
    return 0;
}

service_directory::service_directory(const slot& of) noexcept : slot_{of.impl_} {}

std::uint32_t service_directory::offer(std::string_view name) {
    return throwing([&](failure& f) {
        return in_usable(slot_.get(), f, [&](slot::impl& in) { return in.offer(name, f); });
    });
}

std::uint32_t service_directory::offer(std::string_view name, std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        return in_usable(slot_.get(), f, [&](slot::impl& in) { return in.offer(name, f); });
    });
}

void service_directory::withdraw(std::uint32_t key) noexcept {
    if (slot_)
        slot_->withdraw(key);
}

service_directory::service service_directory::find_service(std::string_view name,
                                                           std::optional<std::uint32_t> in) const {
    return throwing([&](failure& f) {
        return in_usable(slot_.get(), f,
                         [&](slot::impl& from) { return from.find_service(name, in, f); });
    });
}

service_directory::service service_directory::find_service(std::string_view name,
                                                           std::optional<std::uint32_t> in,
                                                           std::error_code& ec) const {
    return reporting(ec, [&](failure& f) {
        return in_usable(slot_.get(), f,
                         [&](slot::impl& from) { return from.find_service(name, in, f); });
    });
}

std::optional<service_directory::request> service_directory::find_request(std::uint32_t key) {
    return slot_ && slot_->usable() ? slot_->find_request(key) : std::nullopt;
}

bool service_directory::is_requested(const request& r, std::uint32_t key) const {
    return slot_ && slot_->usable() && slot_->is_requested(r, key);
}

std::uint32_t service_directory::find_lane(std::uint32_t to) const {
    return throwing([&](failure& f) {
        return in_usable(slot_.get(), f, [&](slot::impl& in) { return in.find_lane(to, f); });
    });
}

std::uint32_t service_directory::find_lane(std::uint32_t to, std::error_code& ec) const {
    return reporting(ec, [&](failure& f) {
        return in_usable(slot_.get(), f, [&](slot::impl& in) { return in.find_lane(to, f); });
    });
}

} // namespace ivshmem
