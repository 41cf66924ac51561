// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// "Opening, resetting, closing".

#include "common/print.hpp"
#include "conformance/lane.hpp"

namespace ivshmemctl::conformance {
namespace {

void check_epoch(other_side& side) {
    lane x{side};
    x.connect();
    const auto first = x.theirs().look(in_block::epoch);
    x.end(is_finished | is_deaf);
    x.await_close();
    x.open();
    x.await_opening();
    const auto second = x.theirs().look(in_block::epoch);
    require(first != second, tools::format("epoch {:#x} twice", first),
            "an epoch that is new with each opening");
}

void check_fresh_words(other_side& side) {
    lane x{side};
    x.connect();
    x.echo(pattern(100));
    x.end(is_finished | is_deaf);
    x.await_close();
    x.open();
    x.await_opening();
    const auto head = x.theirs().look(in_block::ring), cursor = x.theirs().look(in_block::cursor),
               flags = x.theirs().look(in_block::flags);
    require(
        head == 0 && cursor == 0 && flags == 0,
        tools::format("after an opening: head {:#x}, cursor {}, flags {:#x}", head, cursor, flags),
        "0 in all of them");
}

void check_ack(other_side& side) {
    lane x{side};
    x.await_opening();
    // This side changes its mind before it has acknowledged the peer.
    x.open();
    x.await_opening();
    x.connect();
    x.echo(pattern(16));
}

void check_not_connected(other_side& side) {
    lane x{side};
    x.put(last, 8, 8, pattern(8));
    x.await_opening();
    pass_a_message(side);
    const auto head = x.theirs().look(in_block::ring), cursor = x.theirs().look(in_block::cursor);
    require(head == 0 && cursor == 0, tools::format("head {:#x}, cursor {}", head, cursor),
            "nothing is read or sent before this side has acknowledged the epoch of the peer");
    x.connect();
    x.ring_for_data();
    require(x.receive() == pattern(8), "another message", "the one that was there before");
}

void check_read_once(other_side& side) {
    lane x{side, {.limit = 64}};
    x.connect();
    x.echo(pattern(8));
    x.mine().publish(in_block::limit, 0);
    x.echo(pattern(32));
}

void check_deaf_before(other_side& side) {
    lane x{side};
    x.await_opening();
    x.end(is_finished | is_deaf);
    x.mine().publish(in_block::ack, x.theirs().look(in_block::epoch));
    side.ring();
    x.await_close();
}

void check_opening_rings(other_side& side) {
    need_rings(side);
    struct restore {
        other_side& of;
        ~restore() { of.ask_for_rings(true); }
    } const at_end{side};
    static_cast<void>(side.take_rings());
    {
        lane x{side};
        x.await_opening();
        require(side.wait([&] { return side.take_rings() != 0; }), "no ring " + side.in_time(),
                "a ring when the peer has opened the lane");
    }
    side.ask_for_rings(false);
    pass_a_message(side);
    static_cast<void>(side.take_rings());
    pass_a_message(side);
    const auto rings = side.take_rings();
    require(rings == 0, tools::format("{} rings", rings),
            "none while bit 31 of attention in the header is clear");
}

void check_reset(other_side& side) {
    lane x{side};
    x.connect();
    x.echo(pattern(24));
    const auto before = x.theirs().look(in_block::epoch);
    x.open();
    bool early = false;
    const bool acknowledged = side.wait([&] {
        if (x.theirs().look(in_block::ack) != x.epoch())
            return false;
        early = x.theirs().look(in_block::epoch) == before;
        return true;
    });
    require(acknowledged,
            tools::format("ack {:#x} {}", x.theirs().look(in_block::ack), side.in_time()),
            tools::format("the peer acknowledges the new epoch, {:#x}", x.epoch()));
    require(!early, tools::format("epoch {:#x} still", before),
            "the peer opens again before it acknowledges the new epoch");
    x.connect();
    x.echo(pattern(40));
}

/// Waits until the peer sleeps, if it does.
void let_sleep(const other_side& side, const lane& on) {
    static_cast<void>(side.wait([&] {
        return (on.theirs().look(in_block::attention) & bit31) == 0 ||
               (on.theirs().look(in_block::wake) & for_data) != 0;
    }));
}

void check_finished(other_side& side) {
    for (int round = 0; round < 4; ++round) {
        lane x{side};
        x.connect();
        need_limit(x, 16);
        let_sleep(side, x);
        // A peer that sleeps finds the messages and the end at the same time.
        const auto place = x.put(last, 8, 8, pattern(8, 1), false);
        x.put(last, 16, 16, pattern(16, 2));
        x.show(place, last, 8);
        x.mine().publish(in_block::flags, is_finished);
        x.ring_for_data();
        side.ring();
        require(x.receive() == pattern(8, 1) && x.receive() == pattern(16, 2), "other messages",
                "those that were sent before the end");
        x.await_close();
    }
}

void check_deaf(other_side& side) {
    lane x{side};
    x.connect();
    x.echo(pattern(8));
    x.end(is_deaf);
    pass_a_message(side);
    x.send(pattern(8));
    pass_a_message(side);
    require(!x.take(), "a message", "nothing more is sent to a side that is deaf");
}

void check_unfinished_message(other_side& side) {
    lane x{side};
    x.connect();
    need_limit(x, 32);
    x.put(part, 16, 32, pattern(16));
    x.mine().publish(in_block::flags, is_finished);
    x.ring_for_data();
    side.ring();
    x.await_close();
    require(!x.take(), "a message", "parts without the last one are dropped");
}

constexpr rule opening_and_closing[] = {
    {"O1", "an epoch is new with each opening", check_epoch},
    {"O2", "head, cursor and flags are 0 when a lane is opened", check_fresh_words},
    {"O3", "the epoch is acknowledged, also if it changes while the peer is opening", check_ack},
    {"O4", "only a connected side sends or receives", check_not_connected},
    {"O5", "the limit is read once, at the connection", check_read_once},
    {"O6", "a lane whose other side is deaf already connects, and then is closed",
     check_deaf_before},
    {"O11", "the peer rings when it opens or acknowledges, if the header asks for it",
     check_opening_rings},
    {"O7", "after a reset, the peer opens again before it acknowledges", check_reset},
    {"O8", "messages before the end arrive, then the peer sees the end", check_finished},
    {"O10", "a message that is not complete at the end is dropped, and is no fault",
     check_unfinished_message},
    {"O9", "nothing is sent to a side that is deaf", check_deaf},
};

} // namespace

std::span<const rule> opening_rules() {
    return opening_and_closing;
}

} // namespace ivshmemctl::conformance
