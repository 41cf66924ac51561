// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Two slots in one memory, and a peer that writes as the input says, between their steps and during
// them. Nothing may crash, hang, or fail in an undocumented way. Without a false word, no side may
// be reported to have broken the rules. No peer leaves the server, so a side without a heartbeat
// loses none.

#include "fixed_random.hpp"
#include "fixed_time.hpp"
#include "helpers/channel_meeting.hpp"
#include "liar.hpp"
#include "player.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace {

struct world {
    test::meeting meeting{test::small_region};
    ivshmem::device first = meeting.join(1);
    ivshmem::device second = meeting.join(2);
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static world all;
    test::restart_random();
    test::restart_time();
    all.meeting.clear();
    test::schedule what{std::span{data, size}};
    const std::uint8_t mode = what.byte();
    test::liar liar{all.meeting.memory(), 1, (mode & 1U) != 0};
    const bool honest = (mode & 2U) != 0;
    bool lied = false;
    const auto lie = [&] {
        lied = true;
        liar.lie(what);
    };
    const auto disturb = [&] {
        if (!honest && !what.empty() && what.below(4) == 0)
            lie();
    };
    const auto heartbeat = [&](std::uint8_t bit) {
        return std::chrono::milliseconds{(mode & bit) != 0 ? 100 : 0};
    };
    test::player us{all.first, 0, heartbeat(4), disturb};
    test::player them{all.second, 1, heartbeat(8), disturb};
    const std::chrono::milliseconds pace{(mode & 16U) != 0 ? 30 : 0};
    while (!what.empty()) {
        const std::uint8_t choice = what.byte();
        if (choice >= 160 && !honest)
            lie();
        else if (choice % 2 == 0)
            us.play(what);
        else
            them.play(what);
        test::pass(pace);
        for (const auto* side : {&us, &them})
            test::must_hold(side->heartbeat().count() != 0 ||
                                side->state() != ivshmem::channel_state::lost,
                            "a side without a heartbeat loses no peer");
        test::must_hold(lied || (!us.accuses() && !them.accuses()),
                        "a side that follows the rules is not rejected");
    }
    return 0;
}
