// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Which claim gets a slot, and which does not.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

#include <cstdlib>
#include <utility>

#include <signal.h>
#include <sys/mman.h>

using namespace test;
using ivshmem::region_geometry;
using ivshmem::slot_options;

namespace {

struct options : slot_options {
    explicit options(std::optional<std::uint32_t> which,
                     std::optional<ivshmem::region_geometry> g = {}) {
        number = which;
        geometry = g;
    }
};

ivshmem::shared_words header(const meeting& of, std::size_t offset) {
    return {of.memory().data() + offset, false};
}

/// Does something when this thread first stores to a page.
class trapped_pages {
  public:
    trapped_pages() {
        current = this;
        struct sigaction trap {};
        trap.sa_sigaction = sprung;
        trap.sa_flags = SA_SIGINFO;
        REQUIRE(::sigaction(SIGSEGV, &trap, &before_) == 0);
    }
    trapped_pages(const trapped_pages&) = delete;
    trapped_pages& operator=(const trapped_pages&) = delete;
    ~trapped_pages() { ::sigaction(SIGSEGV, &before_, nullptr); }

    void add(std::byte* page, std::function<void()> at_store) {
        REQUIRE(::mprotect(page, layout::page, PROT_READ) == 0);
        pages_.emplace_back(page, std::move(at_store));
    }

  private:
    static void sprung(int /*signal*/, siginfo_t* info, void* /*context*/) {
        auto* const at = static_cast<std::byte*>(info->si_addr);
        for (const auto& [page, at_store] : current->pages_) {
            if (at < page || at >= page + layout::page)
                continue;
            ::mprotect(page, layout::page, PROT_READ | PROT_WRITE);
            return at_store();
        }
        std::abort();
    }

    static inline trapped_pages* current = nullptr;
    std::vector<std::pair<std::byte*, std::function<void()>>> pages_;
    struct sigaction before_ {};
};

} // namespace

TEST_CASE("a slot that is claimed is what was asked for, and is seen by others") {
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    slot first = claim(a, 0);
    CHECK(first.is_open());
    CHECK(first.number() == 0);
    CHECK(first.geometry() == two_slots);
    CHECK(first.incarnation() != 0);
    CHECK(first.has_interrupts());
    CHECK(first.channel_size() == 2560);
    CHECK(first.holders().empty());
    slot second = claim(b, 1);
    REQUIRE(first.holders().size() == 1);
    CHECK(first.holders()[0] == ivshmem::slot_holder{1, second.incarnation(), 2});
    CHECK(second.find_holder(0) == ivshmem::slot_holder{0, first.incarnation(), 1});
    const auto before = first.incarnation();
    first.close();
    CHECK_FALSE(first.is_open());
    CHECK(second.holders().empty());
    CHECK(claim(a, 0).incarnation() != before);
}

TEST_CASE("what cannot be claimed") {
    meeting server;
    auto a = server.join(7);
    CHECK(refused(a, options{0, region_geometry{2, 1, 32768}}) == errc::region_too_small);
    CHECK(refused(a, options{0, region_geometry{256, 1, 1024}}) == errc::region_too_small);
    CHECK(refused(a, options{0, region_geometry{1, 1, 1024}}) == errc::bad_geometry);
    CHECK(refused(a, options{0, region_geometry{2, 1, 1000}}) == errc::bad_geometry);
    CHECK(refused(a, options{2, two_slots}) == errc::slot_out_of_range);
    CHECK(refused(a, options{{}, two_slots}) == errc::slot_out_of_range); // the id is 7
    options wrong{0, two_slots};
    wrong.vector = 1;
    CHECK(refused(a, wrong) == errc::vector_out_of_range);
    wrong.vector = 0;
    wrong.claim_time = std::chrono::milliseconds{0};
    CHECK(refused(a, wrong) == std::errc::invalid_argument);
    a.close();
    CHECK(refused(a, options{0, two_slots}) == errc::closed);
}

TEST_CASE("peers agree on a geometry, which the first one chooses") {
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    slot first = claim(a, 1, {2, 1, 4096});
    CHECK(refused(b, options{0, two_slots}) == errc::geometry_mismatch);
    CHECK(refused(b, options{0, region_geometry{4, 1, 1024}}) == errc::geometry_mismatch);
    CHECK(slot::claim(b, options{0}).geometry() == first.geometry());
    first.close();
    CHECK(claim(b, 0).geometry() == two_slots);
}

TEST_CASE("a peer that is gone insists on nothing") {
    meeting server;
    const auto a = server.join(1);
    header(server, 32768).store(layout::header::peer, 9);
    {
        const auto dead = server.join(9);
        slot left = claim(dead, 1, {2, 1, 4096});
        // It ends without leaving the slot in order.
        std::vector<std::byte> held(server.memory().begin(), server.memory().end());
        left.close();
        std::copy(held.begin(), held.end(), server.memory().begin());
    }
    CHECK(refused(a, options{0, two_slots}) == errc::geometry_mismatch);
    server.leave(9);
    CHECK(claim(a, 0).is_open());
}

TEST_CASE("another version of the layout is not mixed with this one") {
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    slot other = claim(b, 1);
    header(server, 32768).store(layout::header::version, 0x00020000);
    CHECK(refused(a, options{0, two_slots}) == errc::layout_version);
    CHECK(refused(a, options{0}) == errc::layout_version);
    SECTION("a higher minor is the same layout") {
        header(server, 32768).store(layout::header::version, 0x00010007);
        CHECK(claim(a, 0).find_holder(1).has_value());
    }
    SECTION("a claim that reformats takes it away") {
        options force{0, region_geometry{2, 1, 4096}};
        force.reformat = true;
        CHECK(slot::claim(a, force).is_open());
        std::error_code ec;
        other.answer_claims(ec);
        CHECK(ec == errc::slot_lost);
    }
}

TEST_CASE("a holder that answers keeps its slot") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    slot holder = claim(a, 0);
    CHECK_FALSE(claim_elsewhere(server, 0, [&] {
        holder.answer_claims();
        sleep_a_moment();
    }));
    holder.answer_claims();
    CHECK(ivshmem::service_directory{holder}.offer("still here") != 0);
}

TEST_CASE("a holder that does not answer loses its slot, and sees that") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    slot holder = claim(a, 0);
    REQUIRE(claim_elsewhere(server, 0));
    std::error_code ec;
    for (int i = 0; i < 2; ++i) {
        holder.answer_claims(ec);
        CHECK(ec == errc::slot_lost);
    }
    CHECK_THROWS_AS(holder.answer_claims(), ivshmem::error);
    CHECK(ivshmem::service_directory{holder}.offer("x", ec) == 0);
    CHECK(ec == errc::slot_lost);
    static_cast<void>(channel::open(holder, 1, 0, {}, ec));
    CHECK(ec == errc::slot_lost);
    const auto before = header(server, 0).load(layout::header::incarnation);
    holder.close();
    CHECK(header(server, 0).load(layout::header::incarnation) == before);
}

TEST_CASE("a claim that comes while a slot is cleared is answered before all is cleared") {
    meeting server{std::size_t{1} << 19U};
    const auto a = server.join(1);
    const auto mine = header(server, 0);
    std::uint32_t answer = 0;
    trapped_pages pages;
    // Of the blocks for slot 1, and of those for slot 2.
    pages.add(a.memory().data() + 5 * layout::page,
              [&] { mine.publish(layout::header::claim, 1); });
    pages.add(a.memory().data() + 30 * layout::page,
              [&] { answer = mine.load(layout::header::claim); });
    const slot claimed = claim(a, 0, {3, 64, 1024});
    CHECK(answer == claimed.incarnation());
    CHECK(mine.load(layout::header::claim) == claimed.incarnation());
}
