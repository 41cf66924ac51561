// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A slot on an event loop: claimed without blocking, and moved from.

#include "helpers/catch.hpp"
#include "helpers/channel_meeting.hpp"
#include "helpers/deadline.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <optional>
#include <utility>

using namespace test;
namespace net = boost::asio;
using boost::system::error_code;
using ivshmem::errc;
using ivshmem::asio::acceptor;
using ivshmem::asio::channel;
using ivshmem::asio::slot;

namespace {

ivshmem::slot_options of_two(std::optional<std::uint32_t> number = {}) {
    ivshmem::slot_options options;
    options.geometry = ivshmem::region_geometry{2, 1, 1024};
    options.number = number;
    return options;
}

struct claimed {
    std::optional<error_code> ec{};
    std::optional<slot> taken{};

    auto handler() {
        return [this](error_code result, slot made) {
            ec = result;
            taken.emplace(std::move(made));
        };
    }
};

} // namespace

TEST_CASE("slots are claimed without blocking, each another one") {
    const deadline limit;
    meeting server;
    auto device = server.join(1);
    net::io_context io;
    std::array<claimed, 3> claims;
    for (auto& c : claims) {
        ivshmem::asio::async_claim_free(io, device, of_two(), c.handler());
        CHECK_FALSE(c.ec.has_value());
    }
    while (!claims[0].ec || !claims[1].ec || !claims[2].ec)
        REQUIRE(io.run_one_for(std::chrono::seconds{10}) == 1);
    int open = 0;
    for (auto& c : claims) {
        CHECK(c.taken->is_open() == !*c.ec);
        CHECK((!*c.ec || *c.ec == errc::no_free_slot));
        open += c.taken->is_open() ? 1 : 0;
        c.taken->close();
    }
    CHECK(open == 2);
    io.restart();
    io.run(); // nothing is left to do
}

TEST_CASE("a claim that fails, or is cancelled, leaves a closed slot") {
    const deadline limit;
    meeting server;
    auto device = server.join(1);
    net::io_context io;
    claimed c;
    SECTION("because the device is closed") {
        device.close();
        ivshmem::asio::async_claim(io, device, of_two(0), c.handler());
        CHECK_FALSE(c.ec.has_value());
        io.run();
        CHECK(*c.ec == errc::closed);
    }
    SECTION("because there is no such slot") {
        ivshmem::asio::async_claim(io, device, of_two(2), c.handler());
        io.run();
        CHECK(*c.ec == errc::slot_out_of_range);
    }
    SECTION("because it is cancelled") {
        net::cancellation_signal signal;
        ivshmem::asio::async_claim(io, device, of_two(0),
                                   net::bind_cancellation_slot(signal.slot(), c.handler()));
        io.poll();
        signal.emit(net::cancellation_type::total);
        io.run();
        CHECK(*c.ec == net::error::operation_aborted);
    }
    CHECK_FALSE(c.taken->is_open());
}

TEST_CASE("a claim that is under way when the event loop ends holds nothing") {
    meeting server;
    const auto device = server.join(1);
    {
        net::io_context io;
        ivshmem::asio::async_claim(io, device, of_two(0), [](error_code, const slot&) { FAIL(); });
        io.poll();
    }
    CHECK(ivshmem::slot::claim_free(device, of_two()).number() == 0);
}

TEST_CASE("a slot that was moved from keeps its executor, and fails all operations") {
    const deadline limit;
    meeting server;
    const auto device = server.join(1);
    net::io_context io;
    slot from{io, device, of_two(0)};
    slot to{std::move(from)};
    CHECK(to.is_open());
    // NOLINTBEGIN: what is left of it
    CHECK_FALSE(from.is_open());
    CHECK(from.get_executor() == io.get_executor());
    CHECK_THROWS_AS((channel{from, 1, 0}), ivshmem::error);
    CHECK_THROWS_AS((acceptor{from, "name"}), ivshmem::error);
    std::optional<error_code> connected;
    ivshmem::asio::async_connect(from, "name",
                                 [&](error_code ec, const channel&) { connected = ec; });
    from.close();
    // NOLINTEND
    to.close();
    io.run();
    CHECK(*connected == errc::closed);
}
