// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "conformance/newcomer.hpp"

#include "common/print.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

namespace ivshmemctl::conformance {
namespace {

std::vector<std::uint16_t> listed_peers(const other_side& side) {
    std::error_code ignored;
    auto all = side.device().peers(ignored);
    return {all.begin(), all.end()};
}

} // namespace

newcomer::newcomer(other_side& side) : side_{side}, slot_{side.theirs()} {
    if (!side.how().restarts)
        throw not_shown{"the peer would end; start it so that it comes again, and use --restarts"};
}

newcomer::~newcomer() {
    undo();
    give_slot_back();
}

void newcomer::expect_end() {
    slot_ = side_.theirs();
    side_.expect_end();
}

std::uint32_t newcomer::take_slot() {
    expect_end();
    old_id_ = side_.peer_id();
    old_attention_ = slot_.look(in_header::attention);
    taken_ = random_word();
    slot_.publish(in_header::claim, taken_);
    slot_.publish(in_header::incarnation, taken_);
    slot_.publish(in_header::peer, side_.device().id());
    slot_.publish(in_header::attention, side_.can_be_rung() ? bit31 : 0);
    ring();
    settle();
    return taken_;
}

void newcomer::settle() {
    using clock = std::chrono::steady_clock;
    constexpr milliseconds enough{300}; // until a peer that is rung has looked
    const auto old = side_.peer_incarnation();
    const auto end = clock::now() + enough;
    watch_arrivals();
    const bool listed = std::find(ids_.begin(), ids_.end(), old_id_) != ids_.end();
    while (clock::now() < end) {
        const auto claim = slot_.look(in_header::claim);
        // A peer that saw only one of the words change has written the other one back, once.
        if (claim == old)
            slot_.publish(in_header::claim, taken_);
        if (slot_.look(in_header::incarnation) == old)
            slot_.publish(in_header::incarnation, taken_);
        watch_arrivals();
        if ((listed && std::find(ids_.begin(), ids_.end(), old_id_) == ids_.end()) ||
            (claim != old && claim != taken_))
            return; // it has ended; the next one is there
        std::this_thread::sleep_for(milliseconds{1});
    }
}

void newcomer::ring() const {
    std::error_code ignored; // it may have ended already
    if ((old_attention_ & bit31) != 0)
        side_.device().ring(old_id_, old_attention_ & 0xffffU, ignored);
}

void newcomer::give_slot_back() {
    if (taken_ != 0 && slot_.look(in_header::incarnation) == taken_) {
        slot_.publish(in_header::incarnation, 0);
        if (slot_.look(in_header::claim) == taken_)
            slot_.publish(in_header::claim, 0);
    }
    taken_ = 0;
}

std::vector<std::uint64_t> newcomer::others() const {
    auto all = find_headers(side_.device());
    std::erase_if(all, [&](std::uint64_t at) {
        const auto incarnation = side_.memory().from(at).look(in_header::incarnation);
        return incarnation == side_.incarnation() || incarnation == taken_ ||
               incarnation == side_.peer_incarnation() ||
               std::any_of(changes_.begin(), changes_.end(), [&](const change& c) {
                   return c.at.is(side_.memory().from(at + in_header::incarnation)) &&
                          c.after == incarnation;
               });
    });
    return all;
}

bool newcomer::is_elsewhere() const {
    return !others().empty();
}

void newcomer::watch_arrivals() {
    ids_ = listed_peers(side_);
    arrivals_ = 0;
}

unsigned newcomer::arrivals() {
    auto now = listed_peers(side_);
    for (const auto id : now)
        arrivals_ += std::find(ids_.begin(), ids_.end(), id) == ids_.end();
    ids_ = std::move(now);
    return arrivals_;
}

void newcomer::await_return() {
    undo();
    give_slot_back();
    side_.start_rule();
    require(side_.wait([&] {
        const auto all = others();
        if (all.size() == 1)
            side_.meet(all.front());
        return all.size() == 1;
    }),
            "no slot " + side_.in_time(), "the peer starts again, and takes one");
    require(side_.wait([&] { return side_.key() != 0; }), "no service " + side_.in_time(),
            "the peer offers it again");
    slot_ = side_.theirs();
}

void newcomer::put(const words& at, std::size_t offset, std::uint32_t value) {
    changes_.push_back({at.from(offset), at.look(offset), value});
    at.publish(offset, value);
}

void newcomer::undo() {
    for (auto c = changes_.rbegin(); c != changes_.rend(); ++c)
        c->at.publish(0, c->before);
    changes_.clear();
}

void newcomer::require_refusal(const char* because) {
    constexpr unsigned enough = 3; // one may have joined before, and the next one ends the second
    watch_arrivals();
    side_.start_rule();
    std::vector<std::uint64_t> wrong;
    static_cast<void>(side_.wait([&] {
        wrong = others();
        return !wrong.empty() || arrivals() >= enough;
    }));
    if (wrong.empty())
        return;
    const auto header = side_.memory().from(wrong.front());
    throw broken{tools::format("slot {} of {} is held, in a region of {} bytes",
                               header.look(in_header::slot), header.look(in_header::slots),
                               header.look_wide(in_header::region_size)),
                 because};
}

} // namespace ivshmemctl::conformance
