// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Peers that ask for a service and never complete the connection.

#include "crowd.hpp"

#include <ivshmem/service_directory.hpp>

#include <deque>
#include <vector>

using namespace test;
using ivshmem::asio::acceptor;

namespace {

/// Requests on the first lanes, which are opened but never looked at again.
std::vector<ivshmem::channel> ask_and_leave(ivshmem::asio::slot& from, std::uint32_t lanes) {
    const ivshmem::slot& slot = from.next_layer();
    const auto offered = ivshmem::service_directory{slot}.find_service("service");
    ivshmem::channel_options options;
    options.service = offered.key;
    std::vector<ivshmem::channel> opened;
    for (std::uint32_t lane = 0; lane < lanes; ++lane)
        opened.push_back(ivshmem::channel::open(slot, offered.slot, lane, options));
    return opened;
}

} // namespace

TEST_CASE("a peer that asks on all lanes and never connects does not keep others out") {
    crowd c{4, 96, 4};
    acceptor offered{c.slot(0), "service"};
    std::deque<meeting> accepted(3);
    for (auto& m : accepted)
        offered.async_accept(m.handler());
    const auto first = ask_and_leave(c.slot(1), 96);
    const auto second = ask_and_leave(c.slot(2), 96);
    c.settle();
    for (std::size_t i = 0; i < accepted.size(); ++i) {
        meeting connected;
        ask(c.slot(3), "service", connected);
        REQUIRE(c.until([&] { return connected.done() && accepted[i].done(); }));
        REQUIRE_FALSE(connected.ec);
        REQUIRE_FALSE(accepted[i].ec);
        CHECK(accepted[i].value.next_layer().peer_slot() == 3);
        c.pass(connected.value, accepted[i].value, "text");
    }
}

TEST_CASE("requests that a peer left behind lose their places to its next ones") {
    crowd c{2, 64, 2};
    acceptor offered{c.slot(0), "service"};
    meeting accepted;
    offered.async_accept(accepted.handler());
    auto left = ask_and_leave(c.slot(1), 20);
    c.settle();
    meeting connected;
    ask(c.slot(1), "service", connected);
    REQUIRE(c.until([&] { return connected.done() && accepted.done(); }));
    REQUIRE_FALSE(connected.ec);
    c.pass(connected.value, accepted.value, "text");
    // One that was only stopped is served when it goes on.
    meeting late;
    offered.async_accept(late.handler());
    CHECK(c.until([&] {
        std::error_code ec;
        left[7].update(ec);
        return late.done();
    }));
    REQUIRE_FALSE(late.ec);
    CHECK(late.value.next_layer().lane() == 7);
}

TEST_CASE("many requests of one peer are all served, in turns") {
    crowd c{2, 40, 2};
    acceptor offered{c.slot(0), "service"};
    std::deque<meeting> accepted(40);
    std::deque<meeting> connected(40);
    for (std::size_t i = 0; i < 40; ++i) {
        offered.async_accept(accepted[i].handler());
        ask(c.slot(1), "service", connected[i]);
    }
    CHECK(c.until([&] {
        return std::all_of(accepted.begin(), accepted.end(), [](auto& m) { return m.done(); }) &&
               std::all_of(connected.begin(), connected.end(), [](auto& m) { return m.done(); });
    }));
    for (std::size_t i = 0; i < 40; ++i) {
        CHECK_FALSE(accepted[i].ec);
        CHECK_FALSE(connected[i].ec);
    }
}
