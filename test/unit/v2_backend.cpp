// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The states and interrupts of ivshmem-v2, over registers that are made up.

#include "fake_v2.hpp"
#include "helpers/has.hpp"
#include "helpers/readable.hpp"

#include <ivshmem/detail/device_reference.hpp>

#include <sys/wait.h>

using namespace ivshmem;
using test::has;
using test::readable;

namespace {

constexpr event changed(std::uint16_t peer) {
    return {event::kind::state_changed, peer};
}

} // namespace

TEST_CASE("the facts of an ivshmem-v2 device") {
    test::v2_link link{4};
    auto device = link.open(2);
    CHECK(device.generation() == device_generation::v2);
    CHECK(device.id() == 2);
    CHECK(device.max_peers() == 4);
    CHECK(device.protocol() == 0x4001);
    CHECK(device.memory().size() == 4096);
    CHECK(device.capabilities().state_events);
    CHECK(device.capabilities().interrupts == test::fake_v2_device::vectors);
    CHECK(device.output_section().size() == 65536);
    device.output_section()[9] = std::byte{42};
    CHECK(device.output_section(2)[9] == std::byte{42});
    CHECK(device.output_section(3).data() == device.output_sections().data() + 3 * 65536);
    std::error_code ec;
    static_cast<void>(device.output_section(4, ec));
    CHECK(ec == errc::peer_out_of_range);
    static_cast<void>(device.peer_state(3, ec));
    CHECK_FALSE(ec);
    try {
        static_cast<void>(device.peer_state(4));
        FAIL("nothing was thrown");
    } catch (const error& e) {
        CHECK(e.code() == errc::peer_out_of_range);
        CHECK(has(e.what(), "0 to 3"));
    }
}

TEST_CASE("opening makes a device silent that a killed process left in use, then arms it") {
    test::v2_link link{2};
    auto device = link.open(0);
    CHECK(link.state_of(0) == 0);
    CHECK(link.devices.at(0)->words[2] == 1);
    device.set_state(5);
    CHECK(link.state_of(0) == 5);
    CHECK(device.state() == 5);
    CHECK(device.peer_state(0) == 5);
    device.close();
    CHECK(link.state_of(0) == 0);
    std::error_code ec;
    static_cast<void>(device.state(ec));
    CHECK(ec == errc::closed);
    device.set_state(1, ec);
    CHECK(ec == errc::closed);
    static_cast<void>(device.output_section(ec));
    CHECK(ec == errc::closed);
}

TEST_CASE("a change of a state is one event, however often it changed, and none of one's own") {
    test::v2_link link{4};
    auto device = link.open(0);
    auto other = link.open(1);
    const int fd = device.event_fd();
    CHECK(device.next_event() == std::nullopt);
    CHECK_FALSE(readable(fd));
    device.set_state(1);
    CHECK(device.next_event() == std::nullopt);
    other.set_state(1);
    other.set_state(2);
    link.set_state(3, 7);
    CHECK(readable(fd));
    CHECK(device.next_event() == changed(1));
    CHECK(readable(fd));
    CHECK(device.next_event() == changed(3));
    CHECK(device.next_event() == std::nullopt);
    CHECK_FALSE(readable(fd));
    CHECK(device.peer_state(1) == 2);
    CHECK(device.peers() == std::vector<std::uint16_t>{1, 3});
}

TEST_CASE(
    "rings and changes on vector 0 reach both kinds of readers, in whichever order they read") {
    test::v2_link link{2};
    auto device = link.open(0);
    auto other = link.open(1);
    const int events = device.event_fd();
    const int rings = device.interrupt_fd(0);
    while (device.next_event())
        ;
    device.take(0);
    CHECK_FALSE(readable(rings));
    SECTION("the reader of events") {
        other.ring(0, 0);
        CHECK(device.next_event() == std::nullopt);
        CHECK_FALSE(readable(events));
        CHECK(readable(rings));
        CHECK(device.take(0) == 1);
    }
    SECTION("the reader of rings") {
        other.set_state(4);
        CHECK(device.take(0) == 1);
        CHECK(readable(events));
        CHECK(device.next_event() == changed(1));
        CHECK(device.next_event() == std::nullopt);
    }
    SECTION("a reader of another vector") {
        const int second = device.interrupt_fd(1);
        other.ring(0, 0);
        CHECK(readable(second)); // it may concern all
        CHECK(device.take(1) == 0);
        CHECK_FALSE(readable(second));
        CHECK(readable(rings));
        other.ring(0, 0);
        CHECK(device.take(0) == 2);
        CHECK(device.next_event() == std::nullopt);
    }
    SECTION("a reader of all vectors") {
        other.ring(0, 1);
        other.ring(0, 0);
        const auto first = device.take_any();
        const auto second = device.take_any();
        REQUIRE(first);
        REQUIRE(second);
        CHECK(first->vector + second->vector == 1);
        CHECK(device.take_any() == std::nullopt);
        CHECK(device.next_event() == std::nullopt);
    }
    CHECK_FALSE(readable(rings));
    CHECK(device.take(0) == 0);
    CHECK_FALSE(readable(events));
}

TEST_CASE("a caller that watches states on another vector notices what others have read") {
    test::v2_link link{2};
    auto device = link.open(0);
    auto other = link.open(1);
    device.take(0);
    link.devices.at(0)->watch_states();
    const detail::device_reference reference{device};
    const auto before = reference.departures();
    other.set_state(4);
    CHECK(device.take(0) == 1);
    CHECK(readable(reference.attention_fd()));
    CHECK(reference.departures() > before);
    CHECK(device.take(2) == 0);
    CHECK_FALSE(readable(reference.attention_fd()));
}

TEST_CASE("other vectors are on their own") {
    test::v2_link link{2};
    auto device = link.open(0);
    device.ring(0, 2);
    CHECK_FALSE(readable(device.interrupt_fd(0)));
    CHECK(device.take_any() == interrupt_count{2, 1});
    CHECK(device.take_any() == std::nullopt);
    try {
        device.ring(0, 3);
        FAIL("nothing was thrown");
    } catch (const error& e) {
        CHECK(e.code() == errc::vector_out_of_range);
        CHECK(has(e.what(), "0 to 2"));
    }
}

TEST_CASE("a one-shot device is armed again after each look") {
    test::v2_link link{2};
    auto device = link.open(0, true);
    CHECK(device.capabilities().interrupts == 1);
    for (int i = 0; i < 10; ++i) {
        device.ring(0, 2);
        CHECK(link.devices.at(0)->words[2] == 0);
        device.ring(0, 0); // lost, as the hardware loses it
        CHECK(device.take(0) == 1);
        CHECK(link.devices.at(0)->words[2] == 1);
    }
    SECTION("also if the one interrupt was lost") {
        link.devices.at(0)->words[2] = 0;
        CHECK(device.take(0) == 0);
        CHECK(link.devices.at(0)->words[2] == 1);
    }
}

TEST_CASE("a forked child leaves the state alone") {
    test::v2_link link{2};
    auto device = link.open(0);
    device.set_state(3);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::error_code ec;
        device.set_state(0, ec);
        const bool refused = ec == errc::forked;
        device.close();
        ::_exit(refused && link.state_of(0) == 3 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(link.state_of(0) == 3);
}
