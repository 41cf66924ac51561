// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "ids.hpp"

#include "client.hpp"
#include "helpers/catch.hpp"
#include "listener.hpp"
#include "server.hpp"

#include <list>
#include <memory>

#include <sys/mman.h>

// Ids have 16 bits, and an id is not used again while a client that saw it leave is connected. The
// server runs in this process here, so that it can start near the last id.

using namespace host;

namespace {

constexpr ivshmem_server::logical_time no_client = UINT64_MAX;

/// A server whose first id is `first`, with a list of used ids.
class own_server {
  public:
    explicit own_server(ivshmem_server::ids numbers) {
        ivshmem::failure f;
        listener_.emplace(ivshmem_server::listener::open(socket, f));
        REQUIRE_FALSE(f);
        ivshmem_server::server::acceptor_type acceptor{io_};
        acceptor.assign(boost::asio::local::stream_protocol{}, listener_->release());
        ivshmem_server::region memory;
        memory.fd.reset(::memfd_create("test", MFD_CLOEXEC));
        ivshmem_server::client_policy policy;
        policy.max_clients = 100;
        server_ = std::make_unique<ivshmem_server::server>(io_, std::move(acceptor),
                                                           std::move(memory), policy, numbers);
    }
    own_server(const own_server&) = delete;
    own_server& operator=(const own_server&) = delete;
    ~own_server() {
        server_->stop();
        io_.run();
    }

    /// A client that has joined; null if the server refused it.
    std::unique_ptr<raw_client> join() {
        auto c = std::make_unique<raw_client>(socket);
        REQUIRE(eventually([&] {
            io_.poll();
            c->read_all();
            return c->ended() || c->peers().contains(c->id());
        }));
        return c->ended() ? nullptr : std::move(c);
    }
    /// Makes the server process all departures.
    void announce_departures() {
        for (int i = 0; i < 10; ++i)
            io_.poll();
    }

    const temporary_folder folder;
    const std::string socket = folder / "socket";

  private:
    std::optional<ivshmem_server::listener> listener_;
    boost::asio::io_context io_{1};
    std::unique_ptr<ivshmem_server::server> server_;
};

/// Ids of which only `left` are unused, beginning with `next`.
ivshmem_server::ids nearly_used_up(std::uint16_t next, std::size_t left) {
    ivshmem_server::ids numbers{static_cast<std::uint16_t>(next + left)};
    for (std::size_t i = left; i < ivshmem_server::ids::count; ++i)
        REQUIRE(numbers.take(no_client).has_value());
    return numbers;
}

} // namespace

TEST_CASE("ids count up to 65535 and continue with the lowest free ones") {
    ivshmem_server::ids numbers;
    for (std::size_t id = 0; id < ivshmem_server::ids::count; ++id)
        REQUIRE(numbers.take(no_client) == id);
    CHECK_FALSE(numbers.take(no_client).has_value());
    numbers.give_back(7, 1);
    numbers.give_back(3, 2);
    CHECK(numbers.take(no_client) == 3);
    CHECK(numbers.take(no_client) == 7);
    CHECK_FALSE(numbers.take(no_client).has_value());
}

TEST_CASE("an id is used again only after all clients that saw it leave have left") {
    ivshmem_server::ids numbers = nearly_used_up(10, 2);
    // The oldest client joined at 100.
    REQUIRE(numbers.take(100) == 10);
    numbers.give_back(10, 101);
    REQUIRE(numbers.take(100) == 11);
    CHECK_FALSE(numbers.take(100).has_value());
    CHECK_FALSE(numbers.take(101).has_value());
    // The oldest one has left; the next joined after 10 had gone.
    CHECK(numbers.take(102) == 10);
}

TEST_CASE("a client that left before all others joined blocks nothing") {
    ivshmem_server::ids numbers = nearly_used_up(0, 1);
    for (ivshmem_server::logical_time now = 1; now < 100; now += 2) {
        REQUIRE(numbers.take(no_client) == 0);
        numbers.give_back(0, now);
    }
}

TEST_CASE("the server continues with 0 after 65535, and skips ids in use") {
    own_server server{ivshmem_server::ids{65534}};
    const auto a = server.join();
    const auto b = server.join();
    const auto c = server.join();
    REQUIRE((a && b && c));
    CHECK(a->id() == 65534);
    CHECK(b->id() == 65535);
    CHECK(c->id() == 0);
    const auto d = server.join();
    REQUIRE(d);
    CHECK(d->id() == 1);
    server.announce_departures();
    CHECK(a->knows({65534, 65535, 0, 1}, 1));
    for (const auto* client : {&a, &b, &c, &d})
        CHECK((*client)->wrong().empty());
}

TEST_CASE("without a usable id clients are refused until those that saw departures have left") {
    own_server server{nearly_used_up(500, 3)};
    auto stays = server.join();
    auto also = server.join();
    auto comes = server.join();
    REQUIRE((stays && also && comes));
    CHECK(comes->id() == 502);
    CHECK_FALSE(server.join()); // no id is unused
    comes.reset();
    server.announce_departures();
    CHECK_FALSE(server.join()); // 502 is free, but two clients saw it leave
    also.reset();
    server.announce_departures();
    CHECK_FALSE(server.join()); // 501 and 502 are free, but one client saw them leave
    CHECK(stays->knows({500}, 1));
    stays.reset();
    server.announce_departures();
    const auto first = server.join();
    const auto second = server.join();
    const auto third = server.join();
    REQUIRE((first && second && third));
    CHECK(first->id() == 500);
    CHECK(second->id() == 501);
    CHECK(third->id() == 502);
    server.announce_departures();
    CHECK(first->knows({500, 501, 502}, 1));
    CHECK(first->wrong().empty());
}

TEST_CASE("no client sees an id twice, over more departures than there are ids") {
    // Two ids are unused; the older of two clients keeps changing, so that ids become free again.
    own_server server{nearly_used_up(40, 4)};
    std::list<std::unique_ptr<raw_client>> clients;
    std::size_t refused = 0;
    std::size_t joined = 0;
    for (int i = 0; i < 200; ++i) {
        if (auto c = server.join()) {
            ++joined;
            clients.push_back(std::move(c));
        } else {
            ++refused;
        }
        if (clients.size() > 2 || refused % 2 == 1)
            clients.pop_front();
        server.announce_departures();
        for (const auto& c : clients) {
            c->read_all();
            REQUIRE(c->wrong().empty());
        }
    }
    CHECK(joined > 50);
    CHECK(refused > 0);
}
