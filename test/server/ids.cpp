// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "ids.hpp"

#include "base/wait_fds.hpp"
#include "client.hpp"
#include "helpers/catch.hpp"
#include "server.hpp"
#include "service/listener.hpp"

#include <list>
#include <memory>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

// Ids have 16 bits. An id is not given with new eventfds while a client is connected that was told
// of it. The server runs in this process here, so that it can start near the last id.

using namespace host;

namespace {

/// A server whose first id is `first`, with a list of used ids.
class own_server {
  public:
    explicit own_server(ivshmem_server::ids numbers) {
        ivshmem::failure f;
        listener_.emplace(service::listener::open(socket, f));
        REQUIRE_FALSE(f);
        ivshmem_server::server::acceptor_type acceptor{io_};
        acceptor.assign(boost::asio::local::stream_protocol{}, listener_->release());
        ivshmem_server::region memory;
        memory.fd.reset(::memfd_create("test", MFD_CLOEXEC));
        ivshmem_server::client_policy policy;
        policy.max_clients = 1000;
        server_ = std::make_unique<ivshmem_server::server>(
            io_, std::move(acceptor), std::move(memory), policy, std::move(numbers));
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
    std::optional<service::listener> listener_;
    boost::asio::io_context io_{1};
    std::unique_ptr<ivshmem_server::server> server_;
};

/// Receives a message of a client; the server runs meanwhile.
ivshmem::server_protocol::message next(own_server& server, raw_client& c) {
    server.announce_departures();
    return c.next();
}

/// Ids of which only `left` are unused, beginning with `next`.
ivshmem_server::ids nearly_used_up(std::uint16_t next, std::size_t left) {
    ivshmem_server::ids numbers{static_cast<std::uint16_t>(next + left)};
    for (std::size_t i = left; i < ivshmem_server::ids::count; ++i)
        REQUIRE(numbers.take().has_value());
    return numbers;
}

} // namespace

TEST_CASE("ids count up to 65535, and continue with the one that is unused longest") {
    ivshmem_server::ids numbers;
    for (std::size_t id = 0; id < ivshmem_server::ids::count; ++id)
        REQUIRE(numbers.take() == id);
    CHECK_FALSE(numbers.take().has_value());
    numbers.give_back(7);
    numbers.give_back(3);
    CHECK(numbers.clean() == 2);
    CHECK(numbers.take() == 7);
    CHECK(numbers.take() == 3);
    CHECK_FALSE(numbers.take().has_value());
}

TEST_CASE("an id is given again only after all clients that were told of it have left") {
    ivshmem_server::ids numbers = nearly_used_up(10, 1);
    REQUIRE(numbers.take() == 10);
    numbers.add_knower(10);
    numbers.add_knower(10);
    numbers.give_back(10);
    CHECK_FALSE(numbers.take().has_value());
    numbers.remove_knower(10);
    CHECK_FALSE(numbers.take().has_value());
    numbers.remove_knower(10);
    CHECK(numbers.take() == 10);
}

TEST_CASE("a set of ids") {
    ivshmem_server::id_set set;
    for (const auto id : std::initializer_list<std::uint16_t>{65535, 0, 63, 64})
        set.insert(id);
    set.erase(63);
    std::vector<std::uint16_t> all;
    set.for_each([&](std::uint16_t id) { all.push_back(id); });
    CHECK(all == std::vector<std::uint16_t>{0, 64, 65535});
    CHECK(set.contains(64));
    CHECK_FALSE(set.contains(63));
    CHECK_FALSE(ivshmem_server::id_set{}.contains(65535));
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

TEST_CASE("when ids are scarce, a place is given again with the same eventfds, unannounced") {
    own_server server{nearly_used_up(500, 3)};
    auto stays = server.join();
    auto also = server.join();
    auto leaves = server.join();
    REQUIRE((stays && also && leaves));
    CHECK(leaves->id() == 502);
    CHECK_FALSE(server.join()); // no id is unused
    REQUIRE(stays->knows({500, 501, 502}, 1));
    leaves.reset();
    server.announce_departures();
    const auto comes = server.join();
    REQUIRE(comes);
    CHECK(comes->id() == 502);
    CHECK(comes->knows({500, 501, 502}, 1));
    server.announce_departures();
    CHECK(stays->silent()); // it knows 502, with the same eventfds
    CHECK(also->knows({500, 501, 502}, 1));
    also.reset(); // whose place is free for a client that the newest is told of, and the oldest not
    server.announce_departures();
    const auto last = server.join();
    REQUIRE(last);
    CHECK(last->id() == 501);
    server.announce_departures();
    CHECK(stays->silent());
    CHECK(comes->silent()); // it knows 501 too
    CHECK(last->knows({500, 501, 502}, 1));
}

TEST_CASE("the eventfds of a place that is given again ring the new client, and only from now on") {
    own_server server{nearly_used_up(500, 2)};
    raw_client stays{server.socket};
    for (int i = 0; i < 3; ++i)
        next(server, stays);
    next(server, stays); // its own eventfd
    auto old = server.join();
    REQUIRE(old);
    const auto bell = next(server, stays);
    REQUIRE(bell.value == old->id());
    REQUIRE(bell.fd);
    const std::uint64_t once = 1;
    REQUIRE(::write(bell.fd.get(), &once, sizeof once) == sizeof once); // nobody takes it
    REQUIRE(::fcntl(bell.fd.get(), F_SETFL, 0) == 0);
    old.reset();
    server.announce_departures();

    raw_client comes{server.socket};
    for (int i = 0; i < 3; ++i)
        next(server, comes);
    REQUIRE(next(server, comes).value == 500);
    const auto own = next(server, comes);
    REQUIRE(own.value == 501);
    REQUIRE(own.fd);
    CHECK((::fcntl(own.fd.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK(ivshmem::take_eventfd(own.fd.get()) == 0);
    REQUIRE(::write(bell.fd.get(), &once, sizeof once) == sizeof once);
    CHECK(ivshmem::take_eventfd(own.fd.get()) == 1);
}

TEST_CASE("places that are given again rest in turn, and hold no more descriptors than clients") {
    ivshmem_server::places all{nearly_used_up(0, 1000), 1, 3};
    std::error_code ec;
    std::vector<std::uint16_t> given;
    std::vector<ivshmem_server::place> present;
    for (int i = 0; i < 12; ++i) {
        auto p = all.take(present.size(), ec);
        REQUIRE(p);
        given.push_back(p->id);
        all.keep(std::move(*p));
    }
    CHECK(given == std::vector<std::uint16_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2});
}

TEST_CASE("departures are announced again when enough ids are clean") {
    constexpr std::size_t reserve = ivshmem_server::places::reserve;
    ivshmem_server::places all{nearly_used_up(0, 2 * reserve), 1, 100};
    using supply = ivshmem_server::places::supply;
    std::error_code ec;
    REQUIRE(all.update());
    CHECK(all.state() == supply::low);
    std::vector<ivshmem_server::place> taken;
    while (!all.update())
        taken.push_back(*all.take(0, ec));
    CHECK(all.state() == supply::scarce);
    CHECK(taken.size() == reserve + 1);
    while (!all.update()) {
        REQUIRE_FALSE(taken.empty());
        all.numbers().give_back(taken.back().id);
        taken.pop_back();
    }
    CHECK(all.state() == supply::low);
    CHECK(taken.empty());
}

TEST_CASE("no client sees an id twice, over more joins than there are ids") {
    // 200 ids are unused.
    own_server server{nearly_used_up(40, 200)};
    const auto oldest = server.join();
    REQUIRE(oldest);
    std::list<std::unique_ptr<raw_client>> clients;
    for (int i = 0; i < 1000; ++i) {
        auto c = server.join();
        REQUIRE(c);
        clients.push_back(std::move(c));
        if (clients.size() > 3)
            clients.pop_front();
        server.announce_departures();
        oldest->read_all();
        REQUIRE(oldest->wrong().empty());
        REQUIRE_FALSE(oldest->ended());
        for (const auto& each : clients) {
            each->read_all();
            REQUIRE(each->wrong().empty());
            REQUIRE(oldest->peers().contains(each->id()));
        }
    }
}
