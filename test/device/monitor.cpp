// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The lifetime of a monitor; reports about devices are tested in guests.

#include "base/unique_fd.hpp"
#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "helpers/readable.hpp"
#include "helpers/resources.hpp"

#include <ivshmem/ivshmem.hpp>

#include <type_traits>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace test;
using ivshmem::device_change;
using ivshmem::device_monitor;
using ivshmem::errc;

namespace {

/// The devices of this machine: usually none; in a build's chroot there is no sysfs either.
struct this_machine {
    std::error_code ec;
    std::vector<ivshmem::device_info> devices = ivshmem::discover("/", ec).devices;
};

} // namespace

TEST_CASE("a closed monitor reports errc::closed") {
    device_monitor monitor;
    SECTION("never opened") {}
    SECTION("closed") {
        monitor = device_monitor::open();
        CHECK(monitor.is_open());
        CHECK(monitor.fd() >= 0);
        monitor.close();
    }
    SECTION("moved from") {
        monitor = device_monitor::open();
        const device_monitor other{std::move(monitor)};
        CHECK(other.is_open());
    }
    CHECK_FALSE(monitor.is_open()); // NOLINT(bugprone-use-after-move): tested
    CHECK(monitor.fd() == -1);
    std::error_code ec;
    CHECK_FALSE(monitor.next(ec).has_value());
    CHECK(ec == errc::closed);
    try {
        monitor.next();
        FAIL("next() succeeded");
    } catch (const ivshmem::error& e) {
        CHECK(e.code() == errc::closed);
        CHECK(std::string{e.what()}.find("open it first") != std::string::npos);
    }
}

TEST_CASE("a monitor can be moved, but not copied") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<device_monitor>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<device_monitor>);
    STATIC_REQUIRE(std::is_nothrow_move_assignable_v<device_monitor>);
}

TEST_CASE("the present devices come first, then no report") {
    const deadline limit;
    const this_machine there;
    auto monitor = device_monitor::open();
    CHECK(readable(monitor.fd()));
    std::error_code ec;
    std::vector<ivshmem::device_info> added;
    auto change = monitor.next(ec);
    if (there.ec) {
        CHECK(ec == there.ec);
        CHECK_THROWS_AS(monitor.next(), ivshmem::error);
        return;
    }
    for (; change; change = monitor.next(ec)) {
        CHECK(change->type == device_change::kind::added);
        added.push_back(std::move(change->device));
    }
    CHECK_FALSE(ec);
    CHECK(added == there.devices);
    CHECK_FALSE(monitor.next().has_value());
}

TEST_CASE("the descriptor is readable while there is a report") {
    const deadline limit;
    const this_machine there;
    auto monitor = device_monitor::open();
    for (std::size_t i = 0; i < there.devices.size(); ++i) {
        CHECK(readable(monitor.fd()));
        CHECK(monitor.next().has_value());
    }
    std::error_code ec;
    monitor.next(ec);
    if (!ec) // else next() must be called again
        CHECK_FALSE(readable(monitor.fd()));
    else
        CHECK(ec == there.ec);
}

TEST_CASE("opening and closing leave no descriptor and no mapping") {
    { const auto first = device_monitor::open(); } // objects that libraries keep
    const auto before = resources::now();
    {
        auto monitor = device_monitor::open();
        std::error_code ec;
        monitor.next(ec);
        auto other = device_monitor::open();
        monitor = std::move(other);
        CHECK(monitor.is_open());
    }
    CHECK(resources::now() == before);
}

TEST_CASE("too few descriptors") {
    { const auto first = device_monitor::open(); }
    const auto before = resources::now();
    std::size_t more = 0;
    for (bool opened = false; !opened && more < 20; ++more) {
        const descriptor_limit limit{more};
        std::error_code ec;
        const auto monitor = device_monitor::open(ec);
        opened = monitor.is_open();
        CHECK(opened == !ec);
        if (!opened) {
            CHECK(ec == errc::descriptor_limit);
            CHECK_THROWS_AS(device_monitor::open(), ivshmem::error);
        }
    }
    CHECK(more > 1);
    CHECK(more < 20);
    CHECK(resources::now() == before);
}

TEST_CASE("without a descriptor discovery fails; the next call reports all devices") {
    const deadline limit;
    const this_machine there;
    auto monitor = device_monitor::open();
    std::error_code ec;
    {
        const descriptor_limit none{0};
        CHECK_FALSE(monitor.next(ec).has_value());
        CHECK(ec == errc::descriptor_limit);
    }
    pollfd entry{monitor.fd(), POLLIN, 0};
    CHECK(ivshmem::retry_eintr([&] { return ::poll(&entry, 1, 30'000); }) == 1);
    std::size_t added = 0;
    while (monitor.next(ec))
        ++added;
    CHECK(ec == there.ec);
    CHECK(added == there.devices.size());
}

TEST_CASE("a forked child cannot use its parent's monitor, nor disturb it") {
    const deadline limit;
    const this_machine there;
    auto monitor = device_monitor::open();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::error_code ec;
        const bool reported = monitor.next(ec).has_value();
        monitor.close();
        ::_exit(!reported && ec == errc::forked ? 0 : 1);
    }
    int status = 0;
    REQUIRE(ivshmem::retry_eintr([&] { return ::waitpid(child, &status, 0); }) == child);
    CHECK(status == 0);
    std::error_code ec;
    std::size_t added = 0;
    while (monitor.next(ec))
        ++added;
    CHECK(ec == there.ec);
    CHECK(added == there.devices.size());
}
