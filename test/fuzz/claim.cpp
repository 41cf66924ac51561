// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Claims of two peers in a memory in which headers of any division stand or appear. Nothing may
// crash or hang; each error is a documented one, and a slot lies in its region.

#include "fixed_random.hpp"
#include "fixed_time.hpp"
#include "forger.hpp"
#include "helpers/channel_meeting.hpp"
#include "must_hold.hpp"

#include <ivshmem/slot.hpp>
#include <ivshmem/slot_claim.hpp>
#include <ivshmem/slot_section.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace {

using ivshmem::errc;
using test::must_hold;

constexpr std::size_t memory_size = std::size_t{64} * 4096;
/// A peer may see more of a memory than this one, but not more than any memory has.
constexpr std::uint64_t largest_memory = std::uint64_t{1} << 62U;

/// The errors that slot::claim() and claim_free() document.
constexpr std::array documented{
    errc::bad_geometry,   errc::region_too_small,    errc::geometry_mismatch,
    errc::layout_version, errc::slot_out_of_range,   errc::slot_in_use,
    errc::no_free_slot,   errc::vector_out_of_range,
};

constexpr std::array<std::chrono::milliseconds, 4> heartbeats{
    std::chrono::milliseconds{0}, std::chrono::milliseconds{0}, std::chrono::milliseconds{100},
    std::chrono::milliseconds{50}};

struct world {
    world() { meeting.leave(3); }
    test::meeting meeting{memory_size};
    ivshmem::device first = meeting.join(1);
    ivshmem::device second = meeting.join(2);
    ivshmem::device left = meeting.join(3); ///< the others know that it is gone
};

/// One peer, and its claim in steps.
class claimant {
  public:
    claimant(const ivshmem::device& at, test::forger& memory) : device_{at}, memory_{memory} {}

    void begin(test::schedule& what) {
        slot_.close();
        ivshmem::slot_options options;
        const std::uint8_t choice = what.byte();
        options.reformat = (choice & 1U) != 0;
        options.claim_time = std::chrono::milliseconds{1};
        options.heartbeat = heartbeats.at(choice / 16 % heartbeats.size());
        if ((choice & 2U) != 0)
            options.geometry = ivshmem::region_geometry{test::forger::any_number(what),
                                                        test::forger::any_number(what), 1024};
        if ((choice & 4U) != 0)
            options.region = ivshmem::memory_region{memory_.any_size(what), memory_.any_size(what)};
        const bool any = (choice & 8U) != 0;
        if (!any)
            options.number = test::forger::any_number(what);
        claim_.emplace(device_, options,
                       any ? ivshmem::slot_claim::of::free_slot
                           : ivshmem::slot_claim::of::one_slot);
    }
    void step() {
        if (!claim_)
            return;
        std::error_code ec;
        const auto pause = claim_->step(ec);
        must_hold(pause.count() >= 0 && pause.count() <= 20, "a claim waits 20 ms at most");
        test::pass(pause);
        expect(ec);
        if (pause.count() != 0)
            return;
        slot_ = claim_->take();
        claim_.reset();
        must_hold(slot_.is_open() == !ec, "a claim has a slot, or an error");
        if (slot_.is_open())
            check();
    }
    void finish() {
        for (unsigned steps = 0; claim_; step())
            must_hold(++steps < 1'000'000, "a claim ends");
    }
    void look() {
        if (!slot_.is_open())
            return;
        std::error_code ec;
        test::pass(slot_.heartbeat());
        slot_.answer_claims(ec);
        must_hold(!ec || ec == errc::slot_lost || ec == errc::slot_overwritten,
                  "a slot ends for a documented reason");
        static_cast<void>(slot_.holders());
        if (ec)
            slot_.close();
    }
    void close() { slot_.close(); }

  private:
    static void expect(const std::error_code& ec) {
        must_hold(!ec || ec == std::errc::invalid_argument ||
                      std::any_of(documented.begin(), documented.end(),
                                  [&](errc e) { return ec == make_error_code(e); }),
                  "every error is a documented one");
    }
    void check() const {
        const auto region = slot_.region();
        const auto& geometry = slot_.geometry();
        must_hold(region.offset <= memory_size && region.size <= memory_size - region.offset,
                  "the region is in the memory");
        must_hold(ivshmem::is_valid(geometry) && ivshmem::region_needed(geometry) <= region.size,
                  "the geometry fits into the region");
        must_hold(slot_.number() < geometry.slots, "the slot is one of the geometry's");
        const auto rest = slot_.application_memory();
        must_hold(rest.size() <= memory_size - region.size, "the rest is outside of the region");
    }

    const ivshmem::device& device_;
    test::forger& memory_;
    std::optional<ivshmem::slot_claim> claim_;
    ivshmem::slot slot_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static world all;
    test::restart_random();
    test::restart_time();
    all.meeting.clear();
    test::schedule what{std::span{data, size}};
    test::forger forger{all.meeting.memory()};
    claimant a{all.first, forger};
    claimant b{all.second, forger};
    while (!what.empty()) {
        const std::uint8_t choice = what.byte();
        claimant& one = (choice & 1U) != 0 ? a : b;
        switch (choice / 2 % 8) {
        case 0:
        case 1:
            forger.plant(what);
            break;
        case 2:
            forger.scribble(what);
            break;
        case 3:
            one.begin(what);
            break;
        case 4:
            one.step();
            break;
        case 5:
            one.finish();
            break;
        case 6:
            one.look();
            break;
        default:
            for (const auto& section : ivshmem::find_slot_sections(all.meeting.memory()))
                must_hold(section.offset < memory_size && section.slot < section.slots &&
                              section.size <= largest_memory - section.offset,
                          "a section begins in the memory, and ends where some memory could end");
        }
    }
    a.finish();
    b.finish();
    return 0;
}
