// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "connections/with_error.hpp"
#include "open_device.hpp"
#include "peers/claim_slot.hpp"
#include "peers/memory_use.hpp"
#include "peers/pinger.hpp"
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
using connections::with_error;

/// For messages that arrive, and again for those that are sent back: peers that do not complete or
/// take them must not fill the memory of this machine.
constexpr std::size_t memory_for_messages = std::size_t{8} * longest_ping;

/// The messages that are being sent back. Each peer may have as much of the memory as is free, so
/// that none has all.
class messages_in_hand {
  public:
    explicit messages_in_hand(std::size_t slots) : of_peer_(slots) {}

    bool add(std::uint32_t peer, std::size_t size) {
        if (total_ + size + of_peer_[peer] + size > memory_for_messages)
            return false;
        of_peer_[peer] += size;
        total_ += size;
        return true;
    }
    void remove(std::uint32_t peer, std::size_t size) {
        of_peer_[peer] -= size;
        total_ -= size;
    }

  private:
    std::vector<std::size_t> of_peer_;
    std::size_t total_ = 0;
};

/// Sends every message back until the peer leaves.
net::awaitable<void> answer(ivshmem::asio::channel channel, std::string peer_name, bool verbose,
                            std::shared_ptr<messages_in_hand> in_hand) {
    const std::uint32_t peer = channel.next_layer().peer_slot();
    std::uint64_t answered = 0;
    boost::system::error_code end;
    while (!end) {
        std::vector<std::byte> message; // of no more memory than this message needs
        const auto [ec, size] = co_await channel.async_receive(message, with_error);
        end = ec;
        if (!ec && !in_hand->add(peer, size)) {
            end = net::error::no_buffer_space;
        } else if (!ec) {
            const auto [failed, all] =
                co_await channel.async_send(net::buffer(message), with_error);
            in_hand->remove(peer, size);
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
    const auto in_hand = std::make_shared<messages_in_hand>(slot.next_layer().geometry().slots);
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
        net::co_spawn(slot.get_executor(), answer(std::move(channel), name, verbose, in_hand),
                      net::detached);
    }
}

int serve(const common_options& common, const slot_choice& place) {
    auto device = open_with_channels(common);
    net::io_context io{1};
    auto slot = claim_slot(io, device, common, place, memory_for_messages);
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
