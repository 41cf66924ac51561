// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/slot_impl.hpp"

#include "base/random_word.hpp"
#include "channel/layout.hpp"
#include "channel/v2_division.hpp"

#include <new>
#include <utility>

namespace ivshmem {

namespace {

/// How often the socket of a server is read by a program that only calls update(): the system call
/// must not be the cost of each.
constexpr std::chrono::milliseconds attend_period{20};

/// The state of an ivshmem-v2 device while it holds a slot, unless the program has set another one.
constexpr std::uint32_t state_of_holder = 1;

} // namespace

slot::impl::impl(std::shared_ptr<device::impl> at, const division& of_memory, std::uint32_t number,
                 std::uint32_t incarnation, const slot_options& options)
    : device_{std::move(at)}, division_{of_memory}, all_{channel_memory(device_->facts())},
      own_section_{device_->facts().v2
                       ? words{device_->facts().v2->output.data(),
                               device_->facts().memory.mode() == cache_mode::write_combining}
                       : all_.at(of_memory.begin_of(number))},
      number_{number}, incarnation_{incarnation}, vector_{options.vector},
      memory_for_parts_{of_memory.geometry.slots, options.memory_for_parts},
      heartbeat_{options.heartbeat, of_memory.geometry.slots}, topics_{of_memory} {}

void slot::impl::move_in() {
    const std::uint32_t slots = geometry().slots;
    open_lanes_.assign(std::size_t{slots} * geometry().lanes, false);
    served_.assign(open_lanes_.size(), 0);
    own_.emplace(number_, incarnation_, device_->page()->alive);
    const words mine = header(number_);
    mine.publish(layout::header::incarnation, 0);
    words::fence(); // before the stores below
    for (std::size_t entry = 0; entry < layout::directory_entries; ++entry)
        mine.store(layout::header::directory + entry * layout::directory_entry_size, 0);
    for (std::uint32_t other = 0; other < slots; ++other) {
        // Clearing many blocks may take longer than another claim waits.
        if (mine.look(layout::header::claim) != incarnation_)
            mine.publish(layout::header::claim, incarnation_);
        for (std::uint32_t lane = 0; other != number_ && lane < geometry().lanes; ++lane) {
            const words cleared = block(number_, other, lane);
            cleared.publish(layout::block::epoch, 0);
            for (const auto word : {layout::block::ack, layout::block::flags, layout::block::wake})
                cleared.store(word, 0);
        }
    }
    topics_.clear(mine, slots);
    const fixed_words fixed = fixed_words_of(division_, number_);
    for (std::size_t word = 0; word < fixed.size(); ++word)
        mine.store(word * sizeof fixed[word], fixed[word]);
    mine.store(layout::header::peer, device_->facts().id);
    mine.store(layout::header::attention,
               interrupts() == 0 ? 0 : layout::attention_wanted | vector_);
    heartbeat_.begin(mine, incarnation_);
    mine.publish(layout::header::incarnation, incarnation_);
    words::fence();
    if (mine.load(layout::header::claim) != incarnation_) // by a peer that saw the slot free
        mine.publish(layout::header::claim, incarnation_);
    next_key_ = random_word();
    held_ = true;
    if (device_->facts().v2)
        appear();
    ring_everyone();
}

/// Without a state a peer is not there for the others.
void slot::impl::appear() {
    failure in_vain;
    if (device_->state(in_vain) == 0) {
        device_->set_state(state_of_holder, in_vain);
        appeared_ = true;
    }
    if (vector_ != 0) // states change on vector 0
        device_->watch_states();
}

errc slot::impl::why_not() const noexcept {
    return device_->page()->alive ? ended_.load() : errc::forked;
}

bool slot::impl::has_intact_header() const {
    const words mine = header(number_);
    const fixed_words fixed = fixed_words_of(division_, number_);
    for (std::size_t word = 0; word < fixed.size(); ++word)
        if (mine.load(word * sizeof fixed[word]) != fixed[word])
            return false;
    return true;
}

bool slot::impl::answer_claims() {
    if (!usable() || !defend())
        return false;
    watch_peers();
    return true;
}

/// Keeps the slot against claims and stray writes. @return Whether it could.
bool slot::impl::defend() {
    const words mine = header(number_);
    const bool intact = has_intact_header();
    words::fence(); // a new holder writes the incarnation before it writes the rest
    if (intact && mine.look(layout::header::incarnation) != incarnation_ &&
        mine.load(layout::header::claim) == incarnation_) {
        // A claim begins with the other word: no peer that keeps the rules has done this.
        mine.publish(layout::header::incarnation, incarnation_);
        ++repairs_;
        return true;
    }
    if (mine.look(layout::header::incarnation) != incarnation_ &&
        mine.load(layout::header::magic) == layout::magic) {
        ended_ = errc::slot_lost;
        held_ = false;
        return false;
    }
    if (!intact) {
        leave_overwritten();
        return false;
    }
    if (mine.load(layout::header::claim) != incarnation_)
        mine.publish(layout::header::claim, incarnation_);
    return true;
}

/// Beats, looks whether the peers do, and reads what the server reports about them.
void slot::impl::watch_peers() {
    using clock = std::chrono::steady_clock;
    const bool at_server = device_->facts().capabilities.peer_events;
    if (!at_server && !heartbeat_.is_on())
        return;
    const clock::time_point now = clock::now();
    if (at_server) {
        auto due = attend_at_.load(std::memory_order_relaxed);
        const auto next = (now + attend_period).time_since_epoch().count();
        if (now.time_since_epoch().count() >= due && attend_at_.compare_exchange_strong(due, next))
            attend();
    }
    if (heartbeat_.is_on() && heartbeat_.beat(header(number_), now))
        for (std::uint32_t other = 0; other < geometry().slots; ++other)
            if (other != number_)
                heartbeat_.look(other, header(other), now);
}

bool slot::impl::is_lost(std::uint32_t slot) const {
    if (is_silent(slot) || is_absent(slot))
        return true;
    if (departures() == 0)
        return false;
    const departure last = last_departure(id_of(slot));
    return last.number != 0 && !last.came_again;
}

void slot::impl::leave_overwritten() noexcept {
    if (!usable() || overwritten_.exchange(true))
        return;
    ended_ = errc::slot_overwritten;
    leave(); // if the slot still belongs to this process
}

void slot::impl::leave() noexcept {
    if (!usable()) {
        own_.reset();
        release();
        return;
    }
    const words mine = header(number_);
    // Leaves a claimed slot untouched, because the new holder may move in before this is done.
    if (mine.look(layout::header::incarnation) == incarnation_ &&
        mine.load(layout::header::claim) == incarnation_) {
        for (std::uint32_t other = 0; other < geometry().slots; ++other) {
            for (std::uint32_t lane = 0; other != number_ && lane < geometry().lanes; ++lane) {
                if (!lane_taken(other, lane))
                    continue;
                const words left = block(number_, other, lane);
                const std::uint32_t said = left.load(layout::block::flags); // may contain a reason
                left.publish(layout::block::flags, said | layout::finished | layout::deaf);
            }
        }
        topics_.end_all(mine);
        mine.publish(layout::header::incarnation, 0);
        mine.publish(layout::header::claim, 0);
        ring_everyone();
    }
    failure in_vain;
    if (std::exchange(appeared_, false) && device_->state(in_vain) == state_of_holder)
        device_->set_state(0, in_vain);
    held_ = false;
    own_.reset();
    release();
}

void slot::impl::reserve(failure& f) {
    device_->reserve_slot(number_, f);
    reserved_ = !f;
}

void slot::impl::release() noexcept {
    if (std::exchange(reserved_, false) && device_->page()->alive)
        device_->release_slot(number_);
}

std::span<std::byte> slot::impl::application_memory() const noexcept {
    const auto all = device_->facts().memory.bytes();
    if (device_->facts().v2)
        return all;
    const memory_region& region = division_.region;
    return region.offset != 0 ? all.first(region.offset) : all.subspan(region.size);
}

std::optional<slot_holder> slot::impl::find_holder(std::uint32_t slot) const {
    const words theirs = header(slot);
    const std::uint32_t incarnation = theirs.look(layout::header::incarnation);
    if (incarnation == 0 || is_absent(slot) ||
        !slot_header{theirs, device_->facts().memory.size()}.agrees(division_,
                                                                    division_.begin_of(slot)))
        return std::nullopt;
    return slot_holder{slot, incarnation, id_of(slot)};
}

bool slot::impl::has_topics(std::uint32_t slot) const {
    const slot_header theirs{header(slot), device_->facts().memory.size()};
    return !is_absent(slot) && theirs.agrees(division_, division_.begin_of(slot)) &&
           theirs.has_topics();
}

std::uint16_t slot::impl::id_of(std::uint32_t slot) const noexcept {
    return static_cast<std::uint16_t>(
        device_->facts().v2 ? slot : header(slot).load(layout::header::peer));
}

std::uint64_t slot::impl::block_size() const noexcept {
    return layout::block::ring + geometry().ring_size;
}

slot::impl::words slot::impl::block(std::uint32_t owner, std::uint32_t other,
                                    std::uint32_t lane) const {
    const std::uint64_t number =
        std::uint64_t{other < owner ? other : other - 1} * geometry().lanes + lane;
    return header(owner).at(layout::header::size + number * block_size());
}

void slot::impl::ring(std::uint16_t peer, std::uint16_t vector) const noexcept {
    const detail::doorbell_page& page = *device_->page();
    if (!detail::ring_inline(page, peer, vector) && page.alive && can_ring()) {
        // Best effort: a ring that fails, also for want of memory, is like one that was lost.
        try {
            failure in_vain;
            device_->ring(peer, vector, in_vain);
        } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch)
        }
    }
}

void slot::impl::ring_holder(std::uint32_t slot) const noexcept {
    const words theirs = header(slot);
    const std::uint32_t attention = theirs.load(layout::header::attention);
    if (theirs.look(layout::header::incarnation) != 0 &&
        (attention & layout::attention_wanted) != 0)
        ring(id_of(slot), static_cast<std::uint16_t>(attention & layout::attention_vector));
}

void slot::impl::ring_everyone() const noexcept {
    for (std::uint32_t other = 0; other < geometry().slots; ++other)
        if (other != number_)
            ring_holder(other);
}

std::size_t slot::impl::lane_index(std::uint32_t peer, std::uint32_t lane) const noexcept {
    return std::size_t{peer} * geometry().lanes + lane;
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
