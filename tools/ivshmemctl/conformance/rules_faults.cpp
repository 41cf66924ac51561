// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// "Faults": this side lies, and the peer finds it.

#include "common/print.hpp"
#include "conformance/lane.hpp"

namespace ivshmemctl::conformance {
namespace {

void await_reason(const other_side& side, const lane& on, std::uint32_t reason, const char* lie) {
    const auto expected = is_finished | is_deaf | reason << 8U;
    require(side.wait([&] { return on.theirs().look(in_block::flags) >> 8U != 0; }) &&
                on.theirs().look(in_block::flags) == expected,
            tools::format("flags {:#x} {} after {}", on.theirs().look(in_block::flags),
                          side.in_time(), lie),
            tools::format("flags {:#x}: reason {}", expected, reason));
}

/// Tells the peer a lie on a lane of its own, and requires that reason.
void tell(other_side& side, std::uint32_t reason, const char* name, void (*lie)(lane&)) {
    lane x{side};
    x.connect();
    need_limit(x, 24); // of the lies
    lie(x);
    x.ring_for_data();
    await_reason(side, x, reason, name);
}

void check_record(other_side& side) {
    tell(side, 1, "a head without bit 31", [](lane& x) { x.put_head(8); });
    tell(side, 1, "a record that leaves the ring",
         [](lane& x) { x.put_head(bit31 | 0x1ffffff8U); });
    tell(side, 1, "a record of which the last bytes leave the ring", [](lane& x) {
        // Nothing of the length is read: it is not written either.
        x.put_head(bit31 | 0x10000001U);
    });
}

void check_total(other_side& side) {
    tell(side, 2, "a last part with another total",
         [](lane& x) { x.put(last, 8, 16, "12345678"); });
    tell(side, 2, "a part that is all", [](lane& x) { x.put(part, 8, 8, "12345678"); });
    tell(side, 2, "a part without bytes", [](lane& x) { x.put(part, 0, 8); });
    tell(side, 2, "a total that contradicts the earlier parts", [](lane& x) {
        x.put(part, 8, 24, "12345678");
        x.put(last, 8, 8, "12345678");
    });
}

void check_over_limit(other_side& side) {
    lane x{side};
    x.connect();
    if (x.peer_limit() == 0xffffffffU)
        throw not_shown{"the peer has no limit"};
    x.put(part, 8, x.peer_limit() + 1, pattern(8));
    x.ring_for_data();
    await_reason(side, x, 3, "a message over the limit");
}

void check_sequence(other_side& side) {
    tell(side, 4, "a pad at the start of the ring", [](lane& x) { x.put(pad, 8, 0); });
    tell(side, 4, "a pad that does not reach the end", [](lane& x) {
        x.echo(pattern(8));
        x.put(pad, 8, 0);
    });
    tell(side, 4, "an abandon outside of a message", [](lane& x) { x.put(abandon, 0, 0); });
    tell(side, 4, "an abandon with a length", [](lane& x) {
        x.put(part, 8, 24, "12345678");
        x.put(abandon, 8, 8, "12345678");
    });
}

/// Lets the peer send until it needs room, and so looks at the cursor.
void lie_about_cursor(other_side& side, std::uint32_t cursor, const char* lie) {
    lane x{side};
    x.connect();
    const auto size = side.ring_size() / 8 - 8;
    need_limit(x, size);
    x.mine().publish(in_block::cursor, cursor);
    for (std::uint32_t i = 0; i < 12 && x.has_room(size); ++i) {
        x.put(last, size, size, pattern(size));
        x.ring_for_data();
        static_cast<void>(
            side.wait([&] { return x.has_room(size) || x.theirs().look(in_block::flags) != 0; }));
    }
    await_reason(side, x, 5, lie);
}

void check_false_cursor(other_side& side) {
    lie_about_cursor(side, 4, "a cursor that is not a multiple of 8");
    lie_about_cursor(side, 0x40000000, "a cursor beyond what was sent");
}

void check_other_lanes(other_side& side) {
    if (side.lanes() < 2)
        throw not_shown{"the region has one lane, and two are needed"};
    lane good{side};
    good.connect();
    good.echo(pattern(8));
    tell(side, 1, "a head without bit 31", [](lane& x) { x.put_head(8); });
    good.echo(pattern(16));
}

void check_silent_after(other_side& side) {
    lane x{side};
    x.connect();
    x.put_head(8);
    x.ring_for_data();
    await_reason(side, x, 1, "a head without bit 31");
    const auto words = [&] {
        std::string all;
        for (const auto word :
             {in_block::epoch, in_block::ack, in_block::flags, in_block::cursor, in_block::ring})
            all += tools::format("{:#x} ", x.theirs().look(word));
        return all;
    };
    const auto before = words();
    x.put(last, 8, 8, pattern(8));
    side.ring();
    pass_a_message(side);
    const auto after = words();
    require(after == before,
            "epoch, ack, flags, cursor and first head " + after + "after a fault and a message",
            before + "as before it");
}

void check_reset_first(other_side& side) {
    lane x{side};
    x.connect();
    x.echo(pattern(8));
    // As a side that opens again, in the middle of it.
    x.mine().publish(in_block::epoch, 0);
    x.put_head(8);
    x.mine().publish(in_block::cursor, 4);
    side.ring();
    x.ring_for_data();
    pass_a_message(side);
    const auto flags = x.theirs().look(in_block::flags);
    require(flags >> 8U == 0, tools::format("flags {:#x}", flags), "a reset, and no reason");
    x.open();
    x.connect();
    x.echo(pattern(8));
}

void check_open_again(other_side& side) {
    lane x{side};
    x.connect();
    x.put_head(8);
    x.ring_for_data();
    await_reason(side, x, 1, "a head without bit 31");
    x.open();
    x.connect();
    x.echo(pattern(8));
}

constexpr rule faults[] = {
    {"F1", "a head without bit 31, or a record that leaves the ring, is fault 1", check_record},
    {"F2", "a total that contradicts the length or the earlier parts is fault 2", check_total},
    {"F3", "a message over the limit is fault 3", check_over_limit},
    {"F4", "a wrong pad or abandon is fault 4", check_sequence},
    {"F5", "a false cursor is fault 5, when the peer needs room", check_false_cursor},
    {"F6", "after a fault, other lanes go on", check_other_lanes},
    {"F7", "after a fault, the peer neither reads nor writes the lane", check_silent_after},
    {"F8", "what looks like a fault at a reset is none", check_reset_first},
    {"F9", "after a fault, the lane can be opened again", check_open_again},
};

} // namespace

std::span<const rule> fault_rules() {
    return faults;
}

} // namespace ivshmemctl::conformance
