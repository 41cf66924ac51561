// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel_peer.hpp"

#include <boost/asio/buffer.hpp>

#include <array>

namespace channel_peer {

namespace asio = boost::asio;

void idle(place& at, const words& args) {
    auto channel = at.open(args);
    channel.async_connect([](boost::system::error_code ec) { report("connect", ec); });
    at.run();
}

void pend(place& at, const words& args) {
    // A channel that is connected to a peer that receives nothing, one that no peer answers, and
    // operations that wait for names.
    std::array<std::byte, 64> bytes{};
    std::array<std::byte, 64> received{};
    auto connected = at.open(args);
    ivshmem::asio::channel opening{at.slot, number(args, 0, 0), at.how.lane + 1};
    ivshmem::asio::acceptor acceptor{at.slot, "unasked"};
    connected.async_connect([&](boost::system::error_code ec) {
        report("connected", ec);
        while (connected.next_layer().try_send(bytes))
            ;
        connected.async_send(asio::buffer(bytes), [](boost::system::error_code why, std::size_t) {
            report("send", why);
        });
        connected.async_drain([](boost::system::error_code why) { report("drain", why); });
        connected.async_next_event([&](boost::system::error_code, auto) {
            connected.async_next_event(
                [](boost::system::error_code why, auto) { report("event", why); });
            say("pending");
        });
    });
    connected.async_receive(asio::buffer(received), [](boost::system::error_code ec, std::size_t) {
        report("receive", ec);
    });
    opening.async_connect([](boost::system::error_code ec) { report("connect", ec); });
    acceptor.async_accept([](boost::system::error_code ec, auto) { report("accept", ec); });
    ivshmem::asio::async_connect(at.slot, "unknown", [](boost::system::error_code ec, auto) {
        report("connect by name", ec);
    });
    // When all of them are done, no operation is left: the slot's own waits have ended too.
    at.io.run();
    acceptor.close();
    opening.close();
    connected.close();
    at.slot.close();
    at.device.close();
    say("closed");
}

} // namespace channel_peer
