// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "open_device.hpp"
#include "peers/claim_slot.hpp"
#include "peers/pinger.hpp"
#include "peers/with_error.hpp"
#include "subcommands.hpp"

#include <ivshmem/asio/acceptor.hpp>

#include <boost/asio.hpp>

#include <csignal>
#include <exception>
#include <memory>
#include <vector>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;

/// Sends every message back until the peer leaves.
net::awaitable<void> answer(ivshmem::asio::channel channel, std::string peer_name, bool verbose) {
    std::vector<std::byte> message(4096);
    std::uint64_t answered = 0;
    boost::system::error_code end;
    while (!end) {
        const auto [ec, size] = co_await channel.async_receive(net::buffer(message), with_error);
        end = ec;
        if (ec == ivshmem::errc::buffer_too_small) {
            std::error_code why;
            if (const auto length = channel.next_layer().next_size(why))
                message.resize(*length); // at most the channel's max_message
            end = why;
        } else if (!ec) {
            const auto [failed, all] =
                co_await channel.async_send(net::buffer(message.data(), size), with_error);
            end = failed;
            answered += failed ? 0 : 1;
        }
    }
    if (verbose && end != net::error::operation_aborted)
        complain(tools::format("{}: {} messages answered; then: {}", peer_name, answered,
                               end.message()));
}

net::awaitable<void> serve_all(ivshmem::device& device, ivshmem::asio::slot& slot, bool verbose) {
    ivshmem::channel_options options;
    options.max_message = longest_ping;
    ivshmem::asio::acceptor acceptor{slot, ping_service, options};
    for (;;) {
        auto [ec, channel] = co_await acceptor.async_accept(with_error);
        if (ec)
            throw explain_failure(device, ec);
        const std::uint32_t from = channel.next_layer().peer_slot();
        const auto holder = slot.next_layer().find_holder(from);
        const auto name = holder && device.capabilities().ring
                              ? tools::format("peer {} (slot {})", holder->peer, from)
                              : tools::format("slot {}", from);
        if (verbose)
            complain(name + " pings");
        net::co_spawn(slot.get_executor(), answer(std::move(channel), name, verbose),
                      net::detached);
    }
}

int serve(const common_options& common, const slot_choice& place) {
    auto device = open_device(common);
    net::io_context io{1};
    auto slot = claim_slot(io, device, common, place);
    net::signal_set signals{io, SIGINT, SIGTERM, SIGHUP};
    signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
    net::co_spawn(io, serve_all(device, slot, common.verbosity > 0 && !common.quiet),
                  [](const std::exception_ptr& failed) {
                      if (failed)
                          std::rethrow_exception(failed);
                  });
    if (!common.quiet)
        complain(tools::format("{}: answering pings as {}, in slot {}", name_of(device),
                               own_peer(device), slot.number()));
    io.run();
    return tools::exit_success;
}

} // namespace

void add_serve(subcommands& line) {
    auto sub = line.add("serve", "answer the pings of other peers until Ctrl-C");
    const auto place = std::make_shared<slot_choice>();
    add_slot_choice(sub, *place);
    sub.set_action([place](const common_options& common) { return serve(common, *place); });
}

} // namespace ivshmemctl
