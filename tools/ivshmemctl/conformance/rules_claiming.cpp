// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// "Claiming a slot": how the peer takes one, and what it must not join.

#include "common/print.hpp"
#include "conformance/newcomer.hpp"

#include <chrono>

namespace ivshmemctl::conformance {
namespace {

using clock = std::chrono::steady_clock;

/// The shortest claim time, less a tick of the peer's clock.
constexpr milliseconds claim_time{250 - 25};

/// Takes the slot of the peer, and waits until the next one claims it.
struct claimed {
    std::uint32_t taken = 0;
    bool elsewhere = false;        ///< it took another slot
    clock::time_point not_later{}; ///< it claimed after this
};
claimed await_claim(other_side& side, newcomer& peer) {
    claimed found;
    found.not_later = clock::now();
    found.taken = peer.take_slot();
    static_cast<void>(side.take_rings());
    require(side.wait([&] {
        const auto now = clock::now();
        if (peer.slot().look(in_header::claim) != found.taken)
            return true;
        found.not_later = now;
        found.elsewhere = peer.is_elsewhere();
        return found.elsewhere;
    }),
            "no claim " + side.in_time(), "the peer starts again, and claims a slot");
    return found;
}

void check_answered_claim(other_side& side, newcomer& peer) {
    for (int attempt = 0; attempt < 5; ++attempt) {
        side.start_rule();
        const auto claim = await_claim(side, peer);
        peer.slot().publish(in_header::claim, claim.taken);
        const bool in_time = clock::now() - claim.not_later < claim_time;
        static_cast<void>(side.wait([&] {
            return peer.slot().look(in_header::claim) != claim.taken || peer.is_elsewhere();
        }));
        const auto incarnation = peer.slot().look(in_header::incarnation);
        if (in_time)
            require(incarnation == claim.taken,
                    tools::format("incarnation {:#x} although the holder, {:#x}, has answered",
                                  incarnation, claim.taken),
                    "the claim is given up");
        peer.await_return();
        if (in_time)
            return;
    }
    throw not_shown{"this machine is too busy to answer a claim in 250 ms"};
}

/// Fills what a new holder must clear.
void fill(const other_side& side, std::uint32_t value) {
    for (std::size_t entry = 0; entry < in_header::entries; ++entry)
        side.theirs().publish(in_header::directory + entry * in_header::entry_size, value);
    for (std::uint32_t lane = 0; lane < side.lanes(); ++lane)
        for (const std::size_t word :
             {in_block::epoch, in_block::ack, in_block::flags, in_block::wake})
            side.their_block(lane).publish(word, value);
}

void check_cleared(const other_side& side, std::uint32_t value) {
    for (std::size_t entry = 0; entry < in_header::entries; ++entry)
        require(side.theirs().look(in_header::directory + entry * in_header::entry_size) != value,
                tools::format("entry {} of an earlier holder in the directory", entry), "none");
    for (std::uint32_t lane = 0; lane < side.lanes(); ++lane)
        for (const std::size_t word :
             {in_block::epoch, in_block::ack, in_block::flags, in_block::wake})
            require(side.their_block(lane).look(word) != value,
                    tools::format("the word {:#x} of an earlier holder in the block of lane {}",
                                  word, lane),
                    "0 in epoch, ack, flags and wake");
}

/// @return Whether that could be seen: the peer claims the slot of a peer that does not answer.
bool check_silent_holder(other_side& side, newcomer& peer) {
    constexpr std::uint32_t old = 0xa5a5a5a5U;
    side.start_rule();
    const auto taken_from = side.peer_slot();
    const auto claim = await_claim(side, peer);
    if (claim.elsewhere) {
        peer.await_return();
        return false;
    }
    fill(side, old);
    std::uint64_t rings = 0;
    std::uint32_t incarnation = claim.taken;
    require(side.wait([&] {
        const auto more = side.take_rings();
        incarnation = peer.slot().look(in_header::incarnation);
        if (incarnation == claim.taken) // the new holder rings everyone
            rings += more;
        return incarnation != claim.taken;
    }),
            "the slot is not taken " + side.in_time(),
            "a slot whose holder does not answer is taken after the claim time");
    const auto after = std::chrono::duration_cast<milliseconds>(clock::now() - claim.not_later);
    require(after >= claim_time, tools::format("taken after {} ms", after.count()),
            "the holder has 250 ms for an answer");
    require(rings != 0 || !side.can_be_rung(), "no ring for the holder",
            "the holder is rung, because it may sleep");
    peer.await_return();
    if (side.peer_slot() == taken_from)
        check_cleared(side, old);
    return true;
}

/// A new holder clears what an earlier one left of topics.
void check_cleared_topics(other_side& side) {
    constexpr std::uint32_t old = 0xa5a5a5a5U;
    if (!side.topics().exists() || (side.theirs().look(in_header::version) & 0xffffU) < 2)
        throw not_shown{"the peer or the region has no topics"};
    newcomer peer{side};
    const auto slot = side.peer_slot();
    const auto end = [&] {
        return side.topics().entry(0);
    };
    peer.take_slot();
    side.start_rule();
    const auto section = side.theirs();
    for (std::size_t at = side.topics().rows; at < end(); at += 4)
        section.publish(at, old);
    for (std::uint32_t topic = 0; topic < topics_part::numbers; ++topic)
        section.publish(side.topics().entry(topic), old);
    peer.give_slot_back();
    peer.await_return();
    if (side.peer_slot() != slot)
        throw not_shown{"the peer took another slot"};
    for (std::size_t at = side.topics().rows; at < end(); at += 4)
        require(section.look(at) != old, "a word of an earlier holder in a row",
                "0 until a topic is read");
    for (std::uint32_t topic = 0; topic < topics_part::numbers; ++topic)
        require(section.look(side.topics().entry(topic)) != old,
                tools::format("the key of an earlier holder in entry {}", topic),
                "0, or a new one");
}

void check_claiming(other_side& side) {
    newcomer peer{side};
    check_answered_claim(side, peer);
    for (int round = 0; round < 3; ++round)
        if (!check_silent_holder(side, peer))
            break;
}

/// Ends the peer; the next one finds what the caller puts into the memory.
void end(other_side& side, newcomer& peer) {
    peer.take_slot();
    side.start_rule();
    peer.give_slot_back();
}

/// A header that a peer seems to hold.
void put_header(const other_side& side, newcomer& peer, const words& at, std::uint32_t slot,
                std::uint32_t slots, std::uint32_t lanes, std::uint32_t ring, std::uint64_t region,
                std::uint32_t incarnation) {
    const auto section = region / slots / page * page;
    const auto offset = side.theirs().look_wide(in_header::region_offset);
    const std::pair<std::size_t, std::uint64_t> all[] = {
        {in_header::incarnation, 0},
        {in_header::version, 0x00010001},
        {in_header::slots, slots},
        {in_header::lanes, lanes},
        {in_header::ring_size, ring},
        {in_header::slot, slot},
        {in_header::section_size, section & 0xffffffffU},
        {in_header::section_size + 4, section >> 32U},
        {in_header::region_offset, offset & 0xffffffffU},
        {in_header::region_offset + 4, offset >> 32U},
        {in_header::region_size, region & 0xffffffffU},
        {in_header::region_size + 4, region >> 32U},
        {in_header::peer, side.device().id()},
        {in_header::attention, 0},
        {in_header::claim, incarnation},
        {in_header::magic, right_magic},
        {in_header::incarnation, incarnation},
    };
    for (const auto& [word, value] : all)
        peer.put(at, word, static_cast<std::uint32_t>(value));
}

void check_other_geometry(other_side& side) {
    newcomer peer{side};
    const auto slots = side.theirs().look(in_header::slots);
    std::uint32_t third = 0;
    while (third < slots && (third == side.slot() || third == side.peer_slot() ||
                             side.header(third).look(in_header::incarnation) != 0))
        ++third;
    const bool fewer_lanes = side.lanes() > 1;
    if (third == slots || (!fewer_lanes && side.ring_size() == 1024))
        throw not_shown{"three slots and two lanes are needed"};
    const auto region = side.theirs().look_wide(in_header::region_size);
    end(side, peer);
    // This side holds two slots, which do not agree: no peer can agree with both.
    put_header(side, peer, side.header(third), third, slots, side.lanes() - (fewer_lanes ? 1 : 0),
               fewer_lanes ? side.ring_size() : side.ring_size() / 2, region, random_word());
    peer.require_refusal("no peer joins two that divide the region differently");
    peer.await_return();
}

void check_other_version(other_side& side) {
    newcomer peer{side};
    end(side, peer);
    peer.put(side.mine(), in_header::version, 0x00020000);
    peer.require_refusal("no peer joins one with major version 2");
    peer.await_return();
}

/// Puts 0 over the headers of all slots.
void hide_headers(const other_side& side, newcomer& peer) {
    for (std::uint32_t slot = 0; slot < side.slots(); ++slot)
        for (const std::size_t word : {in_header::magic, in_header::incarnation})
            peer.put(side.header(slot), word, 0);
}

void check_memory_too_small(other_side& side) {
    newcomer peer{side};
    const auto region = side.theirs().look_wide(in_header::region_size);
    end(side, peer);
    hide_headers(side, peer);
    put_header(side, peer, side.header(0), 0, side.slots(), side.lanes(), side.ring_size(),
               side.memory_size() / page * page * 2 + region, 0);
    peer.require_refusal("no peer joins a region that does not fit the memory which it sees");
    peer.await_return();
}

void check_slot_beyond(other_side& side) {
    newcomer peer{side};
    const auto slots = side.peer_slot();
    const auto region = side.theirs().look_wide(in_header::region_size) / 2 / page * page;
    if (slots < 2 || region / slots < std::uint64_t{page} * (1 + slots))
        throw not_shown{"the peer holds slot 0 or 1, which each geometry has, or the region is "
                        "small: start it in slot 2"};
    end(side, peer);
    hide_headers(side, peer);
    put_header(side, peer, side.header(0), 0, slots, 1, 1024, region, random_word());
    peer.require_refusal(tools::format("no peer takes slot {} of {}", slots, slots).c_str());
    peer.await_return();
}

constexpr rule claiming[] = {
    {"C3", "a slot is claimed step by step", check_claiming},
    {"T2", "a new holder clears its rows and its table of topics", check_cleared_topics},
    {"C7", "a peer does not join peers with another geometry", check_other_geometry},
    {"C8", "a peer does not join one with another major version", check_other_version},
    {"C9", "a peer does not join a region that is larger than its memory", check_memory_too_small},
    {"C10", "a peer does not take a slot beyond the geometry", check_slot_beyond},
};

} // namespace

std::span<const rule> claiming_rules() {
    return claiming;
}

} // namespace ivshmemctl::conformance
