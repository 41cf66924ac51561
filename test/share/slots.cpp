// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/deadline.hpp"
#include "helpers/has.hpp"
#include "running_share.hpp"

#include <ivshmem/slot.hpp>

#include <array>
#include <chrono>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// The slots of programs that have one device, and so one id.

using namespace host;
using namespace std::chrono_literals;
using ivshmem::errc;
using ivshmem::slot;
using ivshmem::slot_options;
using test::has;

namespace {

struct shared_slots {
    running_server server{{"-n", "1"}};
    running_share share{"server:" + server.socket()};

    [[nodiscard]] ivshmem::device open() const { return share.open(); }
};

slot_options numbered(std::uint32_t number) {
    slot_options options;
    options.number = number;
    options.claim_time = 50ms;
    return options;
}

} // namespace

TEST_CASE("programs that share a device do not take each other's slots") {
    const test::deadline limit;
    const shared_slots s;
    auto a = s.open();
    auto b = s.open();
    auto held = slot::claim(a, numbered(2));
    // Its holder does not answer, as a program that computes does not.
    try {
        static_cast<void>(slot::claim(b, numbered(2)));
        FAIL();
    } catch (const ivshmem::error& e) {
        CHECK(e.code() == errc::slot_in_use);
        CHECK(has(e.what(), "slot 2 is held by another program of this machine: " +
                                std::to_string(::getpid())));
    }
    CHECK(held.number() == 2);
    held.close();
    CHECK(slot::claim(b, numbered(2)).number() == 2);
}

TEST_CASE("a program without a slot of its own gets a free one") {
    const test::deadline limit;
    const shared_slots s;
    std::array devices{s.open(), s.open(), s.open(), s.open(), s.open()};
    std::vector<slot> slots;
    std::vector<std::uint32_t> numbers;
    for (std::size_t i = 0; i < 4; ++i) {
        slots.push_back(slot::claim(devices[i]));
        numbers.push_back(slots.back().number());
    }
    CHECK(numbers == std::vector<std::uint32_t>{0, 1, 2, 3}); // the device's id, 0, first
    std::error_code ec;
    static_cast<void>(slot::claim(devices[4], {}, ec));
    CHECK(ec == errc::no_free_slot);
    static_cast<void>(slot::claim_free(devices[4], {}, ec));
    CHECK(ec == errc::no_free_slot);
}

TEST_CASE("the slot of a program that was killed is free for the next") {
    const test::deadline limit;
    const shared_slots s;
    auto a = s.open();
    const pid_t other = ::fork();
    REQUIRE(other >= 0);
    if (other == 0) {
        auto mine = s.open();
        auto held = slot::claim(mine, numbered(1));
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(other, &status, 0) == other);
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(eventually([&] { return a.users().size() == 1; }));
    slot_options any;
    any.claim_time = 50ms;
    auto first = slot::claim_free(a, any);
    CHECK(first.number() == 0);
    auto b = s.open();
    CHECK(slot::claim_free(b, any).number() == 1);
}

TEST_CASE("a slot is given back if its claim fails") {
    const test::deadline limit;
    const shared_slots s;
    auto a = s.open();
    auto b = s.open();
    auto held = slot::claim(a, numbered(0));
    std::error_code ec;
    static_cast<void>(slot::claim(a, numbered(0), ec)); // this process holds it
    CHECK(ec == errc::slot_in_use);
    held.close();
    CHECK(slot::claim(b, numbered(0)).number() == 0);
}
