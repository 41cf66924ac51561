// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// "Sleeping": when the peer rings, and what it does without a ring.

#include "common/print.hpp"
#include "conformance/lane.hpp"

namespace ivshmemctl::conformance {
namespace {

constexpr std::uint32_t arming = 0xfffc; ///< the bits of `wake` that change with each

void need_sleeper(const lane& on) {
    if ((on.theirs().look(in_block::attention) & bit31) == 0)
        throw not_shown{"the peer polls"};
}

void check_arming(other_side& side) {
    lane x{side};
    x.connect();
    need_sleeper(x);
    const auto asleep = [&] {
        std::uint32_t wake = 0;
        require(side.wait([&] {
            wake = x.theirs().look(in_block::wake);
            return (wake & for_data) != 0;
        }),
                "wake without bit 0 " + side.in_time(), "a peer that sleeps asks for a ring");
        return wake;
    };
    const auto before = asleep();
    x.echo(pattern(8));
    require(side.wait([&] {
        const auto wake = x.theirs().look(in_block::wake);
        return (wake & for_data) != 0 && ((wake ^ before) & arming) != 0;
    }),
            tools::format("wake {:#x} before a message, and after it {}", before, side.in_time()),
            "other bits 2-15 with each arming");
}

void check_ring_for_data(other_side& side) {
    need_rings(side);
    lane x{side, {.sleeps = true}};
    x.connect();
    for (std::uint32_t i = 0; i < 3; ++i) {
        static_cast<void>(side.take_rings());
        x.arm(for_data);
        x.echo(pattern(8, i));
        require(side.wait([&] { return side.take_rings() != 0; }), "no ring " + side.in_time(),
                "a ring when there is data");
    }
}

void check_no_ring(other_side& side) {
    need_rings(side);
    struct restore {
        other_side& of;
        ~restore() { of.ask_for_rings(true); }
    } const at_end{side};
    lane x{side};
    x.connect();
    x.echo(pattern(8));
    side.ask_for_rings(false);
    pass_a_message(side);
    static_cast<void>(side.take_rings());
    x.arm(for_data | for_room);
    x.echo(pattern(8, 1));
    x.echo(pattern(8, 2));
    const auto rings = side.take_rings();
    require(rings == 0, tools::format("{} rings", rings), "none to a side that polls");
}

void check_ring_for_room(other_side& side) {
    need_rings(side);
    lane x{side, {.sleeps = true}};
    x.connect();
    x.echo(pattern(8));
    static_cast<void>(side.take_rings());
    // What is sent after the arming takes the cursor to `room`.
    x.arm(for_room, x.tail() + 40);
    x.send(pattern(32));
    require(side.wait([&] { return side.take_rings() != 0; }), "no ring " + side.in_time(),
            tools::format("a ring when the cursor reaches {}", x.tail()));
}

void check_lost_ring(other_side& side) {
    lane x{side};
    x.connect();
    for (std::uint32_t i = 0; i < 3; ++i) {
        x.echo(pattern(8, i));
        // Without a ring. The peer has just been awake, so its recheck periods are short.
        x.put(last, 16, 16, pattern(16, i));
        require(x.receive() == pattern(16, i), "another message", "the message");
    }
}

void check_ring_again(other_side& side) {
    need_rings(side);
    lane x{side, {.sleeps = true}};
    x.connect();
    x.echo(pattern(8));
    side.ask_for_rings(false); // except for data
    struct restore {
        other_side& of;
        ~restore() { of.ask_for_rings(true); }
    } const at_end{side};
    static_cast<void>(side.take_rings());
    x.arm(for_data);
    x.send(pattern(16));
    for (const char* const which : {"the first", "a second"})
        require(side.wait([&] { return side.take_rings() != 0; }),
                tools::format("not {} ring {}", which, side.in_time()),
                "a ring in each recheck period until the data is read");
    require(x.receive() == pattern(16), "another message", "the message");
}

void check_beats(other_side& side) {
    const auto beat = side.theirs().look(in_header::heartbeat),
               beating = side.theirs().look(in_header::beating);
    if (beat == 0 && beating != side.peer_incarnation())
        return; // it does not beat
    const auto seen = tools::format("heartbeat {:#x}, beating {:#x}", beat, beating);
    const auto period = beat & 0xffffU;
    require(beating == side.peer_incarnation(), seen,
            tools::format("beating is the incarnation, {:#x}", side.peer_incarnation()));
    require(period >= 100 && period <= 60000, seen, "a period of 100 to 60000 ms");
    const auto most = 4 * milliseconds{period};
    side.start_rule(most);
    require(side.wait([&] {
        return ((side.theirs().look(in_header::heartbeat) ^ beat) & 0xffff0000U) != 0;
    }),
            seen + tools::format(" for {} ms", (most + side.how().time_limit).count()),
            "other bits 16-31 once a period");
}

void check_silence(other_side& side) {
    constexpr std::uint32_t shortest = 100;
    const auto beat = side.theirs().look(in_header::heartbeat);
    if (beat == 0)
        throw not_shown{"the peer does not beat, and need not watch the others"};
    struct stop {
        words header;
        ~stop() {
            header.publish(in_header::beating, 0);
            header.publish(in_header::heartbeat, 0);
        }
    } const at_end{side.mine()};
    const auto most = 5 * milliseconds{beat & 0xffffU};
    side.start_rule(most);
    side.mine().publish(in_header::heartbeat, 1U << 16U | shortest);
    side.mine().publish(in_header::beating, side.incarnation());
    lane x{side};
    x.connect();
    x.echo(pattern(8));
    // No beat follows. The peer may have opened the lane again, to wait for the next holder.
    const auto epoch = x.theirs().look(in_block::epoch);
    require(side.wait([&] {
        return x.theirs().look(in_block::flags) == (is_finished | is_deaf) ||
               x.theirs().look(in_block::epoch) != epoch;
    }),
            tools::format("flags {:#x} after {} ms of silence", x.theirs().look(in_block::flags),
                          (most + side.how().time_limit).count()),
            "finished and deaf: the holder is lost; a peer behind a device gets no report");
}

void check_gone(other_side& side) {
    auto second = side.join_again();
    struct restore {
        other_side& of;
        ~restore() { of.mine().publish(in_header::peer, of.device().id()); }
    } const at_end{side};
    side.mine().publish(in_header::peer, second.id());
    lane x{side};
    x.connect();
    x.echo(pattern(8));
    const auto epoch = x.theirs().look(in_block::epoch);
    second.close();
    require(side.wait([&] {
        return x.theirs().look(in_block::flags) == (is_finished | is_deaf) ||
               x.theirs().look(in_block::epoch) != epoch;
    }),
            tools::format("flags {:#x} {}", x.theirs().look(in_block::flags), side.in_time()),
            "finished and deaf: the holder is lost");
}

void check_unknown_doorbell(other_side& side) {
    constexpr std::uint32_t nobody = 0xfff0, no_vector = 0xffff;
    struct restore {
        other_side& of;
        ~restore() {
            of.mine().publish(in_header::peer, of.device().id());
            of.ask_for_rings(true);
        }
    };
    for (const std::uint32_t id : {std::uint32_t{side.device().id()}, nobody}) {
        const restore at_end{side};
        side.mine().publish(in_header::peer, id);
        side.mine().publish(in_header::attention, bit31 | no_vector);
        lane x{side, {.sleeps = true}};
        x.connect();
        for (std::uint32_t i = 1; i <= 3; ++i) {
            x.mine().publish(in_block::room, x.tail());
            x.mine().publish(in_block::wake, no_vector << 16U | i << 2U | for_data | for_room);
            x.echo(pattern(8, i));
        }
    }
    pass_a_message(side);
}

constexpr rule sleeping[] = {
    {"S1", "a peer that sleeps shows a new value in wake each time", check_arming},
    {"S2", "the peer rings for data, if this side sleeps", check_ring_for_data},
    {"S3", "the peer does not ring for data or room, if this side polls", check_no_ring},
    {"S4", "the peer rings for room, if this side waits for it", check_ring_for_room},
    {"S5", "a message is found also if its ring was lost", check_lost_ring},
    {"S6", "the peer rings again until the data is read", check_ring_again},
    {"S7", "an id or a vector that does not exist is no fault, and harms nobody",
     check_unknown_doorbell},
    {"L1", "a peer that beats shows its period, and a new value once a period", check_beats},
    {"L2", "a peer that beats finds that a silent holder is lost", check_silence},
    {"L3", "a holder that the server reports as gone is lost", check_gone},
};

} // namespace

std::span<const rule> sleeping_rules() {
    return sleeping;
}

} // namespace ivshmemctl::conformance
