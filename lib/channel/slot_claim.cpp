// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/deadline.hpp"
#include "base/random_word.hpp"
#include "base/twins.hpp"
#include "channel/layout.hpp"
#include "channel/own_slots.hpp"
#include "channel/slot_claim_impl.hpp"
#include "channel/v2_division.hpp"

#include <algorithm>

namespace ivshmem {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using words = shared_words;

namespace {

/// Longer than any peer needs from its look at the claim to the end of moving in.
constexpr milliseconds free_slot_time{20};

} // namespace

slot_claim::impl::impl(std::shared_ptr<device::impl> at, const slot_options& options, of what)
    : device_{std::move(at)}, options_{options}, any_free_{what == of::free_slot} {}

milliseconds slot_claim::impl::step(failure& f) {
    milliseconds pause{0};
    switch (stage_) {
    case stage::initial:
        pause = begin(f);
        break;
    case stage::waiting:
        pause = go_on(f);
        break;
    case stage::over:
        break;
    }
    // Of the programs that share a device, one has the slot of its id: the others any free one.
    if (f.code() == errc::slot_in_use && stage_ == stage::initial && !options_.number &&
        !any_free_ && device_->facts().kind == backend_kind::shared && !device_->facts().v2) {
        any_free_ = true;
        number_ = 0;
        f.clear();
        pause = compete(f);
    }
    // Only a slot in use is a reason to try the next one.
    while (any_free_ && f.code() == errc::slot_in_use && !device_->facts().v2) {
        f.clear();
        ++number_;
        pause = compete(f);
    }
    stage_ = pause.count() == 0 ? stage::over : stage::waiting;
    if (f)
        claimed_.reset();
    return pause;
}

milliseconds slot_claim::impl::begin(failure& f) {
    check(f);
    if (!f && device_->facts().v2) {
        claim_own_section(f);
        return {};
    }
    if (f)
        return {};
    division_search search{*device_, options_};
    division_ = search.choose(f);
    if (f)
        return {};
    number_ = any_free_ ? 0 : options_.number.value_or(device_->facts().id);
    check_number(f);
    if (f)
        return {};
    displaced_ = search.announce(division_);
    return compete(f);
}

void slot_claim::impl::claim_own_section(failure& f) {
    const auto& facts = device_->facts();
    const v2_division divides{facts, options_};
    division_ = divides.choose(f);
    number_ = facts.id;
    if (!f && options_.number.value_or(number_) != number_)
        f.set(errc::sections_fixed,
              "{}: slot {} was asked for, but on ivshmem-v2 the slot is the device's id, {}",
              facts.name, *options_.number, number_);
    else if (!f && number_ >= division_.geometry.slots)
        f.set(errc::slot_out_of_range, "{}: the device's id {} is not one of the slots 0 to {}",
              facts.name, number_, division_.geometry.slots - 1);
    if (f)
        return;
    claimed_ = std::make_shared<slot::impl>(device_, division_, number_, random_word(), options_);
    if (own_slot::exists(number_, claimed_->incarnation_of(number_)))
        return f.set(errc::slot_in_use, "{}: this process holds slot {} already", facts.name,
                     number_);
    claimed_->reserve(f);
    if (f)
        return;
    claimed_->move_in();
    divides.confirm(division_, f); // a peer may have come in the meantime
}

void slot_claim::impl::check(failure& f) const {
    if (device_ == nullptr)
        return f.set(errc::closed, "claiming a slot: the device is closed");
    const auto& facts = device_->facts();
    const std::uint32_t interrupts = facts.capabilities.interrupts;
    if (!device_->page()->alive)
        f.set(errc::forked, "{}: was opened by the parent process; open it again", facts.name);
    else if (device_->part_offset() != 0 && !facts.v2)
        f.set(std::make_error_code(std::errc::invalid_argument),
              formatted("{}: only the memory from {:#x} on is mapped; a slot needs a part that "
                        "begins at 0 (open_options::part)",
                        facts.name, device_->part_offset()));
    else if (options_.claim_time.count() <= 0)
        f.set(std::make_error_code(std::errc::invalid_argument),
              "slot_options::claim_time must be positive");
    else if (options_.heartbeat.count() != 0 && (options_.heartbeat < slot_heartbeat::shortest ||
                                                 options_.heartbeat > slot_heartbeat::longest))
        f.set(std::make_error_code(std::errc::invalid_argument),
              formatted("slot_options::heartbeat must be 0, or {} ms to {} ms",
                        slot_heartbeat::shortest.count(), slot_heartbeat::longest.count()));
    else if (any_free_ && options_.number)
        f.set(std::make_error_code(std::errc::invalid_argument),
              "slot_options::number names a slot; slot::claim_free() takes any");
    else if (interrupts != 0 && options_.vector >= interrupts)
        f.set(errc::vector_out_of_range, "{}: cannot be rung on vector {}, only on 0 to {}",
              facts.name, options_.vector, interrupts - 1);
#ifdef __aarch64__
    else if (facts.memory.mode() == cache_mode::uncached)
        f.set(errc::cache_mode_unavailable,
              "{}: channels need memory that is not device memory: map it write-combining",
              facts.name);
#endif
}

/// Fails if there is no slot with that number.
void slot_claim::impl::check_number(failure& f) const {
    const auto& name = device_->facts().name;
    const std::uint32_t slots = division_.geometry.slots;
    if (number_ < slots)
        return;
    if (any_free_)
        f.set(errc::no_free_slot,
              "{}: all {} slots are held, or were by processes that were killed; slot::claim() by "
              "number takes a slot whose holder does not answer",
              name, slots);
    else if (options_.number)
        f.set(errc::slot_out_of_range, "{}: there is no slot {}, only 0 to {}", name, number_,
              slots - 1);
    else
        f.set(errc::slot_out_of_range,
              "{}: the device's id {} is not one of the slots 0 to {}; name a slot in "
              "slot_options::number, or take any free one with slot::claim_free()",
              name, number_, slots - 1);
}

/// Writes the claim, unless the slot is known to be taken.
milliseconds slot_claim::impl::compete(failure& f) {
    check_number(f);
    if (f)
        return {};
    claimed_ = std::make_shared<slot::impl>(device_, division_, number_, random_word(), options_);
    claimed_->reserve(f);
    if (f || is_taken(f))
        return {};
    const words mine = claimed_->header(number_);
    mine.publish(layout::header::claim, claimed_->incarnation());
    words::fence();
    if (is_taken(f)) { // in the meantime
        mine.publish(layout::header::claim, mine.look(layout::header::incarnation));
        return {};
    }
    end_ = living_holder() ? deadline_after(options_.claim_time) : steady_clock::now();
    return ask();
}

/// Whether this process holds the slot, or, if only a free one will do, a peer that may be alive.
bool slot_claim::impl::is_taken(failure& f) const {
    const words mine = claimed_->header(number_);
    const std::uint32_t incarnation = mine.look(layout::header::incarnation);
    const auto& name = device_->facts().name;
    if (own_slot::exists(number_, incarnation))
        f.set(errc::slot_in_use, "{}: this process holds slot {} already; name another slot", name,
              number_);
    else if (const auto at = living_holder(); any_free_ && at && at->known == presence::assumed)
        f.set(errc::slot_in_use, "{}: slot {} is held by the peer with id {}", name, number_,
              at->id);
    return static_cast<bool>(f);
}

/// Rings the holder, again each time, because doorbells may be lost.
milliseconds slot_claim::impl::ask() const {
    if (steady_clock::now() >= end_)
        return free_slot_time;
    claimed_->ring_holder(number_);
    return std::min(options_.claim_time, free_slot_time);
}

milliseconds slot_claim::impl::go_on(failure& f) {
    const words mine = claimed_->header(number_);
    if (mine.look(layout::header::claim) != claimed_->incarnation()) {
        f.set(errc::slot_in_use,
              "{}: slot {} is held by the peer with id {}; name another slot, or end that peer",
              device_->facts().name, number_,
              static_cast<std::uint16_t>(mine.load(layout::header::peer)));
        return {};
    }
    if (steady_clock::now() < end_)
        return ask();
    // A peer with another geometry may have come in the meantime, or come now.
    division_search search{*device_, options_};
    search.confirm(division_, displaced_, f);
    if (f)
        return {};
    claimed_->move_in();
    search.confirm(division_, displaced_, f);
    return {};
}

std::shared_ptr<slot::impl> slot_claim::impl::take() noexcept {
    return stage_ == stage::over ? std::move(claimed_) : nullptr;
}

std::optional<slot_claim::impl::holder> slot_claim::impl::living_holder() const {
    const words mine = claimed_->header(number_);
    if (mine.look(layout::header::incarnation) == 0 ||
        mine.load(layout::header::magic) != layout::magic)
        return std::nullopt;
    const auto id = static_cast<std::uint16_t>(mine.load(layout::header::peer));
    const presence known = presence_of_holder(*device_, id);
    return known == presence::gone ? std::nullopt : std::optional{holder{id, known}};
}

slot_claim::slot_claim(const device& at, const slot_options& options, of what)
    : impl_{std::make_unique<impl>(at.impl_, options, what)} {}
slot_claim::slot_claim(slot_claim&& other) noexcept = default;
slot_claim& slot_claim::operator=(slot_claim&& other) noexcept = default;
slot_claim::~slot_claim() = default;

milliseconds slot_claim::step(std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        if (impl_ == nullptr)
            f.set(errc::closed, "claiming a slot: the claim was moved away");
        return f ? milliseconds{0} : impl_->step(f);
    });
}

slot slot_claim::take() noexcept {
    return impl_ ? slot{impl_->take()} : slot{};
}

} // namespace ivshmem
