// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// "Claiming a slot": the peer loses its slot, leaves it, and is ended so that it claims one.

#include "common/print.hpp"
#include "conformance/newcomer.hpp"

#include <array>
#include <chrono>
#include <thread>
#include <tuple>

namespace ivshmemctl::conformance {
namespace {

void check_slot_lost(other_side& side) {
    // A peer that was just about to read may answer one message, but not another after it.
    constexpr milliseconds wake_up{300};
    newcomer peer{side};
    {
        lane x{side};
        x.connect();
        x.echo(pattern(8));
        const auto old = side.peer_incarnation();
        const auto taken = peer.take_slot();
        const auto answered = [&] {
            for (int message = 0; message < 2; ++message) {
                std::this_thread::sleep_for(wake_up);
                x.put(last, 16, 16, pattern(16));
                peer.ring();
                bool came = false;
                peer.watch_arrivals();
                const bool replied = side.wait([&] {
                    const auto claim = peer.slot().look(in_header::claim);
                    require(claim != old && peer.slot().look(in_header::incarnation) != old,
                            tools::format("claim {:#x} again", old),
                            "a slot that was taken is not claimed back");
                    came = claim != taken || peer.is_elsewhere() || peer.arrivals() != 0;
                    return came || x.take().has_value();
                });
                if (came || !replied)
                    return false;
            }
            return true;
        }();
        require(!answered, "two messages answered after the slot was taken",
                "the peer stops using a slot of which neither word is its own");
    }
    peer.await_return();
}

using place = std::pair<words, std::size_t>;

place name_of_service(const words& header, const lane& on) {
    std::size_t entry = in_header::directory;
    while (header.look(entry) != on.mine().look(in_block::service))
        entry += in_header::entry_size;
    return {header, entry + 4};
}

/// What a peer that leaves its slot has left there.
struct left_behind {
    std::uint32_t claim = 0, flags = 0;
};

/// Overwrites a word of the section of the peer, and requires that it leaves.
left_behind overwrite(other_side& side, newcomer& peer, const char* name,
                      place (*of)(const words&, const lane&)) {
    left_behind words;
    {
        lane x{side};
        x.connect();
        x.echo(pattern(8));
        // It must not write the word once more itself.
        static_cast<void>(side.wait([&] { return x.theirs().look(in_block::cursor) == x.tail(); }));
        peer.expect_end();
        const auto header = peer.slot();
        const auto [at, offset] = of(header, x);
        at.publish(offset, at.look(offset) ^ 0x40U);
        side.ring();
        require(side.wait(
                    [&] { return header.look(in_header::incarnation) != side.peer_incarnation(); }),
                tools::format("the slot is still held {} after another value of {}", side.in_time(),
                              name),
                "the peer leaves");
        words.claim = side.peer_incarnation();
        static_cast<void>(side.wait([&] {
            words.claim = header.look(in_header::claim);
            return words.claim != side.peer_incarnation();
        }));
        words.flags = x.theirs().look(in_block::flags);
    }
    return words;
}

void check_overwritten(other_side& side) {
    newcomer peer{side};
    using in = place (*)(const words& header, const lane& x);
    const std::pair<const char*, in> all[] = {
        {"lanes in the header",
         [](const words& h, const lane&) {
             return place{h, in_header::lanes};
         }},
        {"the directory", name_of_service},
        {"epoch",
         [](const words&, const lane& x) {
             return place{x.theirs(), in_block::epoch};
         }},
        {"ack",
         [](const words&, const lane& x) {
             return place{x.theirs(), in_block::ack};
         }},
        {"flags",
         [](const words&, const lane& x) {
             return place{x.theirs(), in_block::flags};
         }},
        {"cursor",
         [](const words&, const lane& x) {
             return place{x.theirs(), in_block::cursor};
         }},
    };
    for (const auto& [name, of] : all) {
        overwrite(side, peer, name, of);
        peer.await_return();
    }
}

void check_leaving(other_side& side) {
    newcomer peer{side};
    left_behind words{1, 0};
    // The next one may have written its claim before this side looks.
    for (int attempt = 0; words.claim != 0 && attempt < 5; ++attempt) {
        words = overwrite(side, peer, "the directory", name_of_service);
        require((words.flags & (is_finished | is_deaf)) == (is_finished | is_deaf),
                tools::format("flags {:#x} on a lane", words.flags),
                "a peer that leaves closes its lanes");
        peer.await_return();
    }
    require(words.claim == 0, tools::format("claim {:#x}", words.claim),
            "claim is 0, as the incarnation");
}

void check_keys(other_side& side) {
    newcomer peer{side};
    std::array<std::uint32_t, 3> keys{};
    for (std::size_t i = 0; i < keys.size(); ++i) {
        keys[i] = side.key();
        for (std::size_t k = 0; k < i; ++k)
            require(keys[i] != keys[k], tools::format("key {:#x} in two incarnations", keys[i]),
                    "a random first key in each");
        peer.take_slot();
        peer.await_return();
    }
}

constexpr rule endings[] = {
    {"C4", "a peer whose slot was taken stops using it", check_slot_lost},
    {"C5", "a peer whose section was overwritten leaves", check_overwritten},
    {"C6", "a peer that leaves closes, and gives the slot back", check_leaving},
    {"D2", "the first key of an incarnation is random, and none is used again", check_keys},
};

} // namespace

std::span<const rule> ending_rules() {
    return endings;
}

} // namespace ivshmemctl::conformance
