// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer in C against the library, or against a peer that writes as the input says, between their
// steps and during them. Nothing may crash, hang, or touch memory that is not aligned or not its
// own. Without a false word, no side may be reported to have broken the rules.

#include "c_player.hpp"
#include "fixed_random.hpp"
#include "fixed_time.hpp"
#include "helpers/channel_meeting.hpp"
#include "liar.hpp"
#include "player.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace {

struct world {
    test::meeting meeting{test::small_region};
    ivshmem::device first = meeting.join(1);
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static world all;
    test::restart_random();
    test::restart_time();
    all.meeting.clear();
    test::schedule what{std::span{data, size}};
    const std::uint8_t mode = what.byte();
    const bool with_library = (mode & 4U) != 0;
    const bool honest = with_library && (mode & 2U) != 0;
    test::liar liar{all.meeting.memory(), 0, (mode & 1U) != 0};
    bool lied = false;
    const auto lie = [&] {
        lied = true;
        liar.lie(what);
    };
    const auto disturb = [&] {
        if (!honest && !what.empty() && what.below(4) == 0)
            lie();
    };
    const std::uint32_t heartbeat = (mode & 8U) != 0 ? 100 : 0;
    std::optional<test::player> library;
    if (with_library)
        library.emplace(all.first, 0, std::chrono::milliseconds{heartbeat}, disturb);
    test::c_player c{all.meeting.memory(), heartbeat, !honest, disturb};
    for (int looks = 0; (mode & 16U) == 0 && looks < 3; ++looks) { // most inputs begin connected
        if (library)
            library->start_again();
        else
            liar.meet();
        c.meet();
    }
    while (!what.empty()) {
        const std::uint8_t choice = what.byte();
        if (choice >= 160 && !honest)
            lie();
        else if (library && choice % 2 == 0)
            library->play(what);
        else
            c.play(what);
        test::must_hold(lied || !c.accuses(), "the peer in C does not accuse the library");
        test::must_hold(lied || !library || !library->accuses(),
                        "the library does not accuse the peer in C");
    }
    return 0;
}
