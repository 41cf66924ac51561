// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Channels of a forked child, of a lost slot and of a closed slot must write nothing.

#include "fixture.hpp"

#include <array>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace test;

namespace {

/// Whether all functions fail with this error. Then none of them may have written to the memory.
bool all_fail(channel& c, errc wanted) {
    std::error_code ec;
    std::size_t done = 0;
    std::array<std::byte, 16> buffer{};
    const std::array<std::span<const std::byte>, 2> batch{bytes("a"), bytes("b")};
    const auto is = [&] {
        return ec == make_error_code(wanted);
    };
    bool all = !c.try_send(bytes("text"), ec) && is();
    all = all && c.try_send_batch(batch, ec) == 0 && is();
    all = all && c.reserve(4, ec).data() == nullptr && is();
    all = all && !send_text(c, "text", done, ec) && is();
    all = all && !c.try_receive(buffer, ec) && is();
    all = all && !c.peek(ec) && is();
    all = all && !c.next_size(ec) && is();
    all = all && !c.drained(ec) && is();
    c.reopen(ec);
    all = all && is();
    static_cast<void>(c.update(ec));
    all = all && is();
    static_cast<void>(ivshmem::channel_driver{c}.drained());
    c.consume();
    ivshmem::channel_driver{c}.settle();
    ivshmem::channel_driver{c}.ring_again();
    static_cast<void>(ivshmem::channel_driver{c}.arm(ivshmem::channel_driver::for_data |
                                                     ivshmem::channel_driver::for_room));
    ivshmem::channel_driver{c}.disarm();
    c.finish();
    return all;
}

/// Leaves a channel that sleeps, with received messages that the cursor does not cover yet.
void use(both_ends& ends) {
    for (const auto* text : {"one", "two", "three"})
        REQUIRE(ends.y.try_send(bytes(text)));
    REQUIRE(next(ends.x) == "one");
    std::error_code ec;
    REQUIRE(ends.x.peek(ec).has_value());
    REQUIRE_FALSE(ivshmem::channel_driver{ends.x}.arm(ivshmem::channel_driver::for_data));
}

} // namespace

TEST_CASE("a forked child fails, and writes nothing, even if it exits normally") {
    two_holders peers;
    both_ends ends{peers};
    use(ends);
    const auto before = copy_of(peers.server);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        bool fails = all_fail(ends.x, errc::forked);
        {
            channel moved{std::move(ends.x)};
            slot gone{std::move(peers.at_a)};
            std::error_code ec;
            gone.answer_claims(ec);
            fails = fails && ec == errc::forked;
            static_cast<void>(ivshmem::service_directory{gone}.offer("x", ec));
            fails = fails && ec == errc::forked;
        }
        peers.at_b.close();
        ends.y.close();
        ::_exit(fails ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(copy_of(peers.server) == before);
    CHECK(next(ends.x) == "two");
    CHECK(ends.x.try_send(bytes("back")));
    CHECK(next(ends.y) == "back");
}

TEST_CASE("after the slot was closed, its channels write nothing") {
    two_holders peers;
    both_ends ends{peers};
    use(ends);
    peers.at_a.close();
    const auto before = copy_of(peers.server);
    CHECK(all_fail(ends.x, errc::closed));
    ends.x.close();
    CHECK(copy_of(peers.server) == before);
}

TEST_CASE("after the slot was lost, its channels write nothing") {
    two_holders peers;
    both_ends ends{peers};
    use(ends);
    // Another peer has taken it while this side slept.
    const ivshmem::shared_words header{peers.server.memory().data(), false};
    header.store(layout::header::claim, 77);
    header.store(layout::header::incarnation, 77);
    std::error_code ec;
    peers.at_a.answer_claims(ec);
    CHECK(ec == errc::slot_lost);
    const auto before = copy_of(peers.server);
    CHECK(all_fail(ends.x, errc::slot_lost));
    ends.x.close();
    peers.at_a.answer_claims(ec);
    CHECK(ec == errc::slot_lost);
    peers.at_a.close();
    CHECK(copy_of(peers.server) == before);
}

TEST_CASE("a closed, moved-from or never opened channel does nothing") {
    two_holders peers;
    both_ends ends{peers};
    use(ends);
    channel none;
    CHECK(all_fail(none, errc::closed));
    none.flush();

    channel moved{std::move(ends.x)};
    const auto before = copy_of(peers.server);
    CHECK(all_fail(ends.x, errc::closed)); // NOLINT: its moved-from state is tested
    ends.x.flush();
    CHECK(copy_of(peers.server) == before);
    CHECK(next(moved) == "two");

    moved.close();
    const auto closed = copy_of(peers.server);
    CHECK(all_fail(moved, errc::closed));
    moved.flush();
    CHECK(copy_of(peers.server) == closed);
}

TEST_CASE("a slot and its channels outlive the device") {
    two_holders peers;
    both_ends ends{peers};
    peers.a.close();
    CHECK(ends.x.try_send(bytes("still there")));
    CHECK(next(ends.y) == "still there");
    peers.at_a.answer_claims();
    CHECK(peers.at_a.find_holder(1).has_value());
    ends.x.close();
    CHECK(end_of(ends.y) == errc::channel_closed);
    peers.at_a.close();
    CHECK_FALSE(peers.at_b.find_holder(0).has_value());
    CHECK(all_fail(ends.x, errc::closed));
}
