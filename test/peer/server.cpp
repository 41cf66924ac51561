// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// server_peer, the peer in C as a process at a real server, and the library: with interrupts, ends
// without a word, and a second start.

#include "helpers/catch.hpp"
#include "helpers/server_process.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/service_directory.hpp>
#include <ivshmem/slot.hpp>

#include <csignal>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

using ivshmem::channel;
using ivshmem::channel_state;
using ivshmem::errc;

namespace {

/// A client of the library, in slot 0.
struct client {
    explicit client(const std::string& socket) {
        ivshmem::open_options how;
        how.vectors = 1;
        device = ivshmem::device::open(ivshmem::selector::server(socket), how);
        ivshmem::slot_options options;
        options.number = 0;
        slot = ivshmem::slot::claim(device, options);
    }
    /// Waits until the service is there, and asks for it.
    void ask() {
        ivshmem::service_directory directory{slot};
        std::error_code ec;
        ivshmem::service_directory::service found;
        REQUIRE(host::eventually([&] {
            slot.answer_claims();
            found = directory.find_service("echo", std::nullopt, ec);
            return !ec;
        }));
        to = channel::open(slot, found.slot, directory.find_lane(found.slot),
                           {.service = found.key});
        REQUIRE(host::eventually([&] { return to.update() == channel_state::connected; }));
    }
    [[nodiscard]] std::optional<std::string> answer(const std::string& text) {
        std::error_code ec;
        REQUIRE(to.try_send(std::as_bytes(std::span{text}), ec));
        std::string into(text.size(), '#');
        const bool came = host::eventually([&] {
            to.update(ec);
            return to.try_receive(std::as_writable_bytes(std::span{into}), ec).has_value() || ec;
        });
        return came && !ec ? std::optional{into} : std::nullopt;
    }
    /// The error at which the channel ends.
    [[nodiscard]] std::error_code end() {
        std::error_code ec;
        std::string into(100, '#');
        REQUIRE(host::eventually([&] {
            to.update(ec);
            static_cast<void>(to.try_receive(std::as_writable_bytes(std::span{into}), ec));
            return static_cast<bool>(ec);
        }));
        return ec;
    }

    ivshmem::device device;
    ivshmem::slot slot;
    channel to;
};

} // namespace

TEST_CASE("a process with the peer in C serves, leaves, is killed, and comes again") {
    const host::temporary_folder folder;
    const host::running_server server{{"-l", "4M", "-n", "1"}};
    client us{server.socket()};
    const auto start = [&](const std::string& slot) {
        return std::vector<std::string>{SERVER_PEER, server.socket(), "--slot", slot};
    };
    {
        host::process peer{start("1"), folder / "first"};
        us.ask();
        for (const std::size_t size : {0U, 1U, 8U, 1000U, 30000U})
            CHECK(us.answer(std::string(size, 'e')) == std::string(size, 'e'));
        ::kill(peer.pid(), SIGTERM);
        CHECK(us.end() == errc::channel_closed);
    }
    {
        host::process peer{start("any"), folder / "second"};
        us.ask();
        CHECK(us.answer("again") == "again");
        ::kill(peer.pid(), SIGKILL);
        CHECK(us.end() == errc::peer_lost);
    }
    host::process peer{start("1"), folder / "third"}; // takes the slot of the dead
    us.ask();
    CHECK(us.answer("and again") == "and again");
}
