// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/share_protocol.hpp"
#include "base/wait_fds.hpp"
#include "helpers/deadline.hpp"
#include "helpers/has.hpp"
#include "running_share.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Programs that break the protocol: the service ends their connections, and nothing else.

using namespace host;
using test::has;
namespace protocol = ivshmem::share_protocol;
using protocol::packet;
using protocol::packet_kind;

namespace {

/// A connection that sends anything.
class raw_program {
  public:
    explicit raw_program(const std::string& path)
        : fd_{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(path.size() < sizeof address.sun_path);
        std::copy(path.begin(), path.end(), std::begin(address.sun_path));
        REQUIRE(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                0);
    }
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// @return false if the service does not take it
    [[nodiscard]] bool send(const packet& p, std::span<const int> fds = {}) const {
        return protocol::send(fd_.get(), p, fds);
    }
    void join() const { REQUIRE(send({.what = packet_kind::join, .value = protocol::version})); }
    /// Whether the service has ended the connection.
    [[nodiscard]] bool ended() const {
        return eventually([&] {
            protocol::received ignored;
            const auto how = protocol::receive(fd_.get(), ignored);
            return how == protocol::arrival::closed ||
                   (how == protocol::arrival::failed && errno == EPIPE);
        });
    }

  private:
    ivshmem::unique_fd fd_;
};

struct attacked {
    attacked() : before{first.users().size()}, descriptors{share.open_descriptors()} {}
    /// Whether the service is as before.
    void check() {
        CHECK(eventually([&] { return first.users().size() == before; }));
        CHECK(eventually([&] { return share.open_descriptors() == descriptors; }));
        first.ring(0, 1); // itself
        CHECK(first.wait(1, deadline) > 0);
        CHECK(share.program().runs());
    }

    running_server server{{"-n", "2"}};
    running_share share{"server:" + server.socket()};
    ivshmem::device first = share.open();
    std::size_t before;
    std::size_t descriptors;
};

} // namespace

TEST_CASE("a program that breaks the protocol is disconnected") {
    const test::deadline limit;
    attacked s;
    const raw_program bad{s.share.socket()};
    SECTION("no join first") {
        REQUIRE(bad.send({.what = packet_kind::watch}));
    }
    SECTION("a packet too short") {
        bad.join();
        REQUIRE(::send(bad.fd(), "abc", 3, MSG_NOSIGNAL) == 3);
    }
    SECTION("a packet too long") {
        const std::vector<char> much(sizeof(packet) + 1);
        REQUIRE(::send(bad.fd(), much.data(), much.size(), MSG_NOSIGNAL) > 0);
    }
    SECTION("a vector that there is not") {
        bad.join();
        REQUIRE(bad.send({.what = packet_kind::watch, .value = 2}));
    }
    SECTION("a packet of the service's") {
        bad.join();
        REQUIRE(bad.send({.what = packet_kind::welcome}));
    }
    SECTION("a second join") {
        bad.join();
        bad.join();
    }
    CHECK(bad.ended());
    s.check();
}

TEST_CASE("another version of the protocol is refused by name") {
    const test::deadline limit;
    attacked s;
    const raw_program bad{s.share.socket()};
    REQUIRE(bad.send({.what = packet_kind::join, .value = 99}));
    protocol::received answer;
    REQUIRE(eventually(
        [&] { return protocol::receive(bad.fd(), answer) == protocol::arrival::packet; }));
    CHECK(answer.content.what == packet_kind::refused);
    CHECK(has(protocol::get_text(answer.content.text), "speaks version 99"));
    s.check();
}

TEST_CASE("descriptors that a program sends are closed") {
    const test::deadline limit;
    attacked s;
    {
        const raw_program bad{s.share.socket()};
        bad.join();
        const std::vector<int> many(20, STDOUT_FILENO);
        for (int i = 0; i < 50; ++i)
            REQUIRE(eventually(
                [&] { return bad.send({.what = packet_kind::ring, .value = 99U << 16U}, many); }));
    }
    s.check();
}

TEST_CASE("a program that does not read what it asks for is disconnected") {
    const test::deadline limit;
    attacked s;
    const raw_program bad{s.share.socket()};
    bad.join();
    REQUIRE(eventually([&] { return !bad.send({.what = packet_kind::list}) && errno == EPIPE; }));
    s.check();
}

TEST_CASE("a list of programs that is longer than a socket holds arrives whole") {
    const test::deadline limit;
    attacked s;
    constexpr std::size_t all = 64;
    std::vector<std::unique_ptr<raw_program>> programs;
    while (programs.size() + 1 < all) {
        programs.push_back(std::make_unique<raw_program>(s.share.socket()));
        programs.back()->join();
    }
    REQUIRE(eventually([&] { return s.first.users().size() == all; }));
    const raw_program& late = *programs.back();
    REQUIRE(late.send({.what = packet_kind::list}));
    CHECK(s.first.users().size() == all); // the service has done what it can for the late one
    std::size_t listed = 0;
    protocol::received got;
    REQUIRE(eventually([&] {
        const auto how = protocol::receive(late.fd(), got);
        REQUIRE((how == protocol::arrival::packet || how == protocol::arrival::none));
        listed += how == protocol::arrival::packet && got.content.what == packet_kind::program;
        return how == protocol::arrival::packet && got.content.what == packet_kind::end;
    }));
    CHECK(listed == all);
    programs.clear();
    s.check();
}

TEST_CASE("a program cannot hold slots without end, or give back those of others") {
    const test::deadline limit;
    attacked s;
    const raw_program holder{s.share.socket()};
    const raw_program bad{s.share.socket()};
    const auto answer_to = [](const raw_program& from, packet_kind what, std::uint32_t slot) {
        REQUIRE(from.send({.what = what, .value = slot}));
        protocol::received got;
        REQUIRE(eventually([&] {
            return protocol::receive(from.fd(), got) == protocol::arrival::packet &&
                   got.content.what == packet_kind::slot;
        }));
        return got.content.other;
    };
    holder.join();
    bad.join();
    REQUIRE(answer_to(holder, packet_kind::take_slot, 7) == 1);
    REQUIRE(bad.send({.what = packet_kind::give_slot, .value = 7}));
    CHECK(answer_to(bad, packet_kind::take_slot, 7) == 0);
    CHECK(answer_to(bad, packet_kind::take_slot, 1U << 31U) == 0);
    std::uint32_t given = 0;
    for (std::uint32_t slot = 8; slot < 1200; ++slot)
        given += answer_to(bad, packet_kind::take_slot, slot);
    CHECK(given == 1024);
}

TEST_CASE("programs that send random packets, and come and go, end only themselves") {
    const test::deadline limit;
    attacked s;
    std::mt19937 random{12345}; // NOLINT: the same each time
    for (int round = 0; round < 200; ++round) {
        const raw_program bad{s.share.socket()};
        if (random() % 8 != 0)
            bad.join();
        for (auto i = random() % 20; i > 0; --i) {
            constexpr std::array kinds{0U, 1U, 2U, 3U, 4U, 5U, 6U, 64U, 67U, 70U, ~0U};
            const packet p{.what = static_cast<packet_kind>(kinds[random() % kinds.size()]),
                           .value = random() % 4 == 0 ? static_cast<std::uint32_t>(random())
                                                      : static_cast<std::uint32_t>(random() % 3),
                           .other = static_cast<std::uint32_t>(random())};
            if (!bad.send(p))
                break;
        }
    }
    s.check();
}
