// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Rings and waits of a device that rings itself.

#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "helpers/fake_server.hpp"
#include "helpers/readable.hpp"

#include <ivshmem/detail/device_reference.hpp>

#include <chrono>
#include <map>
#include <thread>

using namespace test;
using ivshmem::errc;
using namespace std::chrono_literals;

namespace {

constexpr greeting four_vectors{7, 4, {}};

template <typename Call>
void fails(errc wanted, Call&& call) {
    std::error_code ec;
    call(ec);
    CHECK(ec == wanted);
}

template <typename Call>
void throws(errc wanted, const std::string& name, Call&& call) {
    try {
        call();
        FAIL("no exception was thrown");
    } catch (const ivshmem::error& e) {
        INFO(e.what());
        CHECK(e.code() == wanted);
        CHECK(std::string{e.what()}.find(name) != std::string::npos);
    }
}

} // namespace

TEST_CASE("the facts of an open device") {
    session s{four_vectors};
    CHECK(s.dev.backend() == ivshmem::backend_kind::server);
    CHECK(s.dev.description() == "server " + s.server.path());
    CHECK(s.dev.info() == nullptr);
    CHECK(s.dev.id() == 7);
    CHECK(s.dev.vectors() == 4);
    CHECK(s.dev.capabilities().ring);
    CHECK(s.dev.capabilities().interrupts == 4);
    CHECK(s.dev.capabilities().peer_events);
    CHECK_FALSE(s.dev.capabilities().removal_events);
    CHECK(s.dev.memory().size() == memory_bytes);
    CHECK(s.dev.memory().mode() == ivshmem::cache_mode::write_back);
    CHECK(s.dev.memory().reason().find("sealed against shrinking") != std::string::npos);
}

TEST_CASE("a ring beyond the ranges is an error and rings no peer") {
    session s{four_vectors};
    fails(errc::peer_out_of_range, [&](auto& ec) { s.dev.ring(65536, 0, ec); });
    fails(errc::peer_out_of_range, [&](auto& ec) { s.dev.ring(~0U, 0, ec); });
    fails(errc::peer_out_of_range, [&](auto& ec) { s.dev.ring(65536 + 7, 0, ec); });
    fails(errc::vector_out_of_range, [&](auto& ec) { s.dev.ring(7, 65536, ec); });
    fails(errc::vector_out_of_range, [&](auto& ec) { s.dev.ring(7, ~0U, ec); });
    throws(errc::peer_out_of_range, s.server.path(), [&] { s.dev.ring(65536, 0); });
    throws(errc::vector_out_of_range, s.server.path(), [&] { s.dev.ring(7, 65536); });
    CHECK_FALSE(s.dev.take_any().has_value());
}

TEST_CASE("a ring to an absent peer or vector is no error") {
    session s{{7, 2, {3}}};
    s.dev.ring(4, 0);
    s.dev.ring(65535, 65535);
    s.dev.ring(3, 2);
    s.dev.ring(7, 2);
    CHECK_FALSE(s.dev.take_any().has_value());
    CHECK(counter(s.side.others[0][0]) == 0);
}

TEST_CASE("rings are counted exactly") {
    const deadline limit;
    session s{four_vectors};
    for (std::uint32_t vector = 0; vector < 4; ++vector) {
        CHECK(s.dev.take(vector) == 0);
        CHECK_FALSE(readable(s.dev.interrupt_fd(vector)));
        for (std::uint32_t i = 0; i <= vector; ++i)
            s.dev.ring(7, vector);
        CHECK(readable(s.dev.interrupt_fd(vector)));
        CHECK(readable(s.dev.any_interrupt_fd()));
        CHECK(s.dev.wait(vector, 10s) == vector + 1);
        CHECK_FALSE(readable(s.dev.interrupt_fd(vector)));
        CHECK_FALSE(readable(s.dev.any_interrupt_fd()));
    }
}

TEST_CASE("vectors beyond the device's") {
    session s{four_vectors};
    for (const std::uint32_t vector : {4U, 65536U, ~0U}) {
        fails(errc::vector_out_of_range, [&](auto& ec) { (void)s.dev.interrupt_fd(vector, ec); });
        fails(errc::vector_out_of_range, [&](auto& ec) { s.dev.take(vector, ec); });
        fails(errc::vector_out_of_range, [&](auto& ec) { s.dev.wait(vector, 10s, ec); });
    }
    throws(errc::vector_out_of_range, s.server.path(), [&] { s.dev.take(4); });
}

TEST_CASE("a wait ends at its timeout, and on a ring from another thread") {
    const deadline limit;
    session s{four_vectors};
    fails(errc::timed_out, [&](auto& ec) { CHECK(s.dev.wait(1, 0ms, ec) == 0); });
    fails(errc::timed_out, [&](auto& ec) { CHECK(s.dev.wait(1, 5ms, ec) == 0); });
    throws(errc::timed_out, s.server.path(), [&] { s.dev.wait(1, 1ms); });
    std::thread other{[&] {
        std::this_thread::sleep_for(10ms);
        s.dev.ring(7, 1);
    }};
    CHECK(s.dev.wait(1, -1ms) == 1);
    other.join();
}

TEST_CASE("vectors that all ring continuously are served in turn") {
    session s{four_vectors};
    std::map<std::uint16_t, int> turns;
    for (int i = 0; i < 400; ++i) {
        for (std::uint32_t vector = 0; vector < 4; ++vector)
            s.dev.ring(7, vector);
        const auto got = s.dev.take_any();
        REQUIRE(got.has_value());
        ++turns[got->vector];
    }
    REQUIRE(turns.size() == 4);
    for (const auto& [vector, count] : turns)
        CHECK(count == 100);
}

TEST_CASE("take_any and take see the same rings") {
    session s{four_vectors};
    s.dev.ring(7, 2);
    s.dev.ring(7, 2);
    s.dev.ring(7, 3);
    CHECK(s.dev.take(3) == 1);
    CHECK(s.dev.take_any() == ivshmem::interrupt_count{2, 2});
    CHECK_FALSE(s.dev.take_any().has_value());
}

TEST_CASE("all members of a closed device report errc::closed") {
    session s;
    const ivshmem::detail::device_reference reference{s.dev};
    auto& dev = s.dev;
    SECTION("closed") {
        dev.close();
    }
    SECTION("moved from") {
        ivshmem::device{std::move(dev)}.close();
    }
    SECTION("assigned a closed one") {
        dev = ivshmem::device{};
    }
    CHECK_FALSE(dev.is_open());
    fails(errc::closed, [&](auto& ec) { dev.ring(7, 0, ec); });
    fails(errc::closed, [&](auto& ec) { (void)dev.interrupt_fd(0, ec); });
    fails(errc::closed, [&](auto& ec) { dev.take(0, ec); });
    fails(errc::closed, [&](auto& ec) { dev.wait(0, 10s, ec); });
    fails(errc::closed, [&](auto& ec) { (void)dev.any_interrupt_fd(ec); });
    fails(errc::closed, [&](auto& ec) { dev.take_any(ec); });
    fails(errc::closed, [&](auto& ec) { (void)dev.event_fd(ec); });
    fails(errc::closed, [&](auto& ec) { dev.next_event(ec); });
    fails(errc::closed, [&](auto& ec) { (void)dev.peers(ec); });
    throws(errc::closed, "closed", [&] { dev.ring(7, 0); });
    fails(errc::closed, [&](auto& ec) { reference.take(0, ec); });
}

TEST_CASE("a moved device continues") {
    session s;
    s.dev.ring(7, 0);
    const auto* const data = s.dev.memory().data();
    const int fd = s.dev.interrupt_fd(0);
    const ivshmem::detail::device_reference reference{s.dev};
    ivshmem::device moved{std::move(s.dev)};
    CHECK(moved.memory().data() == data);
    CHECK(moved.interrupt_fd(0) == fd);
    CHECK(moved.take(0) == 1);
    moved.ring(7, 0);
    std::error_code ec;
    CHECK(reference.take(0, ec) == 1);
    CHECK_FALSE(ec);
    auto& same = moved;
    moved = std::move(same);
    CHECK(moved.is_open());
    session other;
    moved = std::move(other.dev);
    CHECK(reference.take(0, ec) == 0);
    CHECK(ec == errc::closed);
}
