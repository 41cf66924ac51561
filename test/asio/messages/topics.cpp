// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Readers of topics on an event loop, at a real server.

#include "helpers/two_peers.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/use_future.hpp>

using namespace test;
using ivshmem::topic_message;
using ivshmem::topic_writer;
using reader = ivshmem::asio::topic_reader;

namespace {

using reading = completion_of<topic_message>;

std::span<const std::byte> in_bytes(std::string_view text) {
    return std::as_bytes(std::span{text});
}

std::string text_of(const std::vector<std::byte>& buffer) {
    return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

/// Two peers whose rechecks do not hide a doorbell that is missing.
started_peers patient_peers() {
    return two_peers()
        .waiting({.recheck = std::chrono::seconds{100},
                  .doubtful_recheck = std::chrono::seconds{100},
                  .idle_recheck = std::chrono::seconds{100}})
        .within(60)
        .start();
}

} // namespace

TEST_CASE("a reader waits for the writer, for each message, and for the end") {
    auto p = patient_peers();
    reader in{*p.left.slot, "clock"};
    std::vector<std::byte> into;
    const auto next = [&] {
        reading r;
        in.async_read(into, r.handler());
        REQUIRE(run_until(p.io, [&] { return r.done(); }));
        return r;
    };
    topic_writer out;
    net::post(p.io, [&] { out = topic_writer::create(p.right.slot->next_layer(), "clock"); });
    net::post(p.io, [&] { out.publish(in_bytes("one")); });
    const auto first = next();
    CHECK_FALSE(first.ec);
    CHECK(text_of(into) == "one");
    CHECK(first.value.sequence == 1);
    CHECK(first.value.skipped == 0);
    for (int i = 2; i < 200; ++i) {
        net::post(p.io, [&] { out.publish(in_bytes(std::to_string(i))); });
        CHECK(next().value.sequence == static_cast<std::uint64_t>(i));
        CHECK(text_of(into) == std::to_string(i));
    }
    net::post(p.io, [&] { out.close(); });
    CHECK(next().ec == errc::topic_closed);
    CHECK(next().ec == errc::topic_closed);
    in.reopen();
    net::post(p.io, [&] {
        out = topic_writer::create(p.right.slot->next_layer(), "clock");
        out.publish(in_bytes("again"));
    });
    CHECK_FALSE(next().ec);
    CHECK(text_of(into) == "again");
    net::post(p.io, [&] { p.right.slot->close(); });
    CHECK(next().ec == errc::topic_closed);
    in.reopen();
    net::post(p.io, [&] { p.left.slot->close(); });
    CHECK(next().ec == errc::closed);
}

TEST_CASE("the latest message, and views") {
    auto p = patient_peers();
    auto out = topic_writer::create(p.right.slot->next_layer(), "clock");
    for (const char* text : {"one", "two", "three"})
        out.publish(in_bytes(text));
    reader latest{*p.left.slot, "clock"};
    reader views{*p.left.slot, "clock", {.history = 2}};
    std::vector<std::byte> into;
    const auto read = [&]() -> net::awaitable<void> {
        auto got = co_await latest.async_latest(into, net::use_awaitable);
        CHECK(got.sequence == 3);
        CHECK(text_of(into) == "three");
        const auto view = co_await views.async_view(net::use_awaitable);
        CHECK(view.sequence == 2);
        CHECK(view.bytes.size() == 3);
        CHECK(views.next_layer().still_valid(view));
        net::post(p.io, [&] {
            out.publish(in_bytes("four"));
            out.publish(in_bytes("five"));
        });
        got = co_await latest.async_latest(into, net::use_awaitable);
        CHECK(got.sequence == 5);
        CHECK(got.skipped == 1);
    };
    p.run(read);
}

TEST_CASE("several operations of a reader complete in their order") {
    auto p = patient_peers();
    auto out = topic_writer::create(p.right.slot->next_layer(), "clock");
    reader in{*p.left.slot, "clock"};
    std::vector<std::byte> into;
    std::vector<reading> all(20);
    for (auto& each : all)
        in.async_read(into, each.handler());
    for (int i = 0; i < 20; ++i)
        net::post(p.io, [&] { out.publish(in_bytes("x")); });
    REQUIRE(run_until(p.io, [&] { return all.back().done(); }));
    for (std::size_t i = 0; i < all.size(); ++i)
        CHECK(all[i].value.sequence == i + 1);
}

TEST_CASE("reading a topic is cancelled, and no message is lost") {
    auto p = patient_peers();
    auto out = topic_writer::create(p.right.slot->next_layer(), "clock");
    std::optional<reader> in{std::in_place, *p.left.slot, "clock"};
    std::vector<std::byte> into;
    reading first;
    reading second;
    net::cancellation_signal stop;
    in->async_read(into, net::bind_cancellation_slot(stop.slot(), first.handler()));
    in->async_read(into, second.handler());
    p.io.poll();
    SECTION("one operation") {
        stop.emit(net::cancellation_type::total);
        REQUIRE(run_until(p.io, [&] { return first.done(); }));
        CHECK(first.ec == net::error::operation_aborted);
        out.publish(in_bytes("one"));
        REQUIRE(run_until(p.io, [&] { return second.done(); }));
        CHECK(second.value.sequence == 1);
        return;
    }
    SECTION("all of them") {
        in->cancel();
    }
    SECTION("the reader is closed") {
        in->close();
    }
    SECTION("the reader is destroyed") {
        in.reset();
    }
    REQUIRE(run_until(p.io, [&] { return first.done() && second.done(); }));
    CHECK(first.ec == net::error::operation_aborted);
    CHECK(second.ec == net::error::operation_aborted);
    out.publish(in_bytes("one"));
}

TEST_CASE("a reader that is not open, was moved from, or has no slot") {
    auto p = patient_peers();
    reader none{p.io.get_executor()};
    std::vector<std::byte> into;
    reading r;
    none.async_read(into, r.handler());
    REQUIRE(run_until(p.io, [&] { return r.done(); }));
    CHECK(r.ec == errc::closed);
    CHECK_FALSE(none.is_open());
    std::error_code ec;
    none.reopen(ec);
    CHECK(ec == errc::closed);
    reader in{*p.left.slot, "clock"};
    none = std::move(in);
    CHECK(none.is_open());
    auto out = topic_writer::create(p.right.slot->next_layer(), "clock");
    out.publish(in_bytes("x"));
    const auto read = [&]() -> net::awaitable<void> {
        const auto got = co_await none.async_read(into, net::use_awaitable);
        CHECK(got.sequence == 1);
    };
    p.run(read);
    p.left.slot->close();
    CHECK_THROWS_AS((reader{*p.left.slot, "clock"}), ivshmem::error);
    CHECK_THROWS_AS((reader{*p.right.slot, ""}), ivshmem::error);
}

TEST_CASE("a reader finds every message although doorbells get lost") {
    auto p = two_peers().lossy(50).within(60).start();
    auto out = topic_writer::create(p.right.slot->next_layer(), "clock");
    reader in{*p.left.slot, "clock"};
    std::vector<std::byte> into;
    const auto read = [&]() -> net::awaitable<void> {
        for (std::uint64_t i = 1; i <= 50; ++i) {
            net::post(p.io, [&] { out.publish(in_bytes("x")); });
            const auto got = co_await in.async_read(into, net::use_awaitable);
            CHECK(got.sequence == i);
        }
    };
    p.run(read);
    CHECK(in.next_layer().skipped() == 0);
}

TEST_CASE("a writer whose reader sleeps rings once; an idle reader does not wake up") {
    auto p = patient_peers();
    auto out = topic_writer::create(p.right.slot->next_layer(), "clock");
    reader in{*p.left.slot, "clock"};
    std::vector<std::byte> into;
    reading r;
    in.async_read(into, r.handler());
    p.io.run_for(std::chrono::milliseconds{50}); // until it sleeps
    CHECK(p.io.poll() == 0);
    for (int i = 0; i < 100; ++i)
        out.publish(in_bytes("x"));
    CHECK(out.rings() == 1);
    REQUIRE(run_until(p.io, [&] { return r.done(); }));
    CHECK(r.value.sequence == 1);
    p.io.restart();
    p.io.run_for(std::chrono::milliseconds{50});
    out.publish(in_bytes("x")); // no operation waits
    CHECK(out.rings() == 1);
}

TEST_CASE("a message that does not fit into memory is an error of the operation") {
    struct {
        int reader = 0;
    } state;
    const auto read = [](int&, std::error_code&) -> std::optional<topic_message> {
        throw std::bad_alloc{};
    };
    ivshmem::asio::detail::topic_attempt<decltype(read)> attempt{read};
    std::error_code ec;
    CHECK_FALSE(attempt.attempt(state, ec));
    CHECK(ec == std::errc::not_enough_memory);
}
