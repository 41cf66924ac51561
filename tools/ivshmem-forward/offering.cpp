// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "offering.hpp"

#include "service/log.hpp"

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <utility>

namespace ivshmem_forward {
namespace {

namespace net = boost::asio;
namespace log = service::log;

void write_info(const std::string& line) {
    log::info("{}", line);
}

} // namespace

offering::offering(ivshmem::asio::slot& in, const offered& asked, std::function<void()> ended)
    : slot_{in}, asked_{asked}, backend_{in.get_executor(), *asked.from, asked.connections,
                                         write_info},
      service_{in,
               {.name = asked.name,
                .allowed = asked.allowed,
                .promised = {.connections = asked.connections}},
               {.opened = [this](const connections::carrier_ptr& from,
                                 std::uint32_t connection) { join(from, connection); },
                .log = write_info,
                .gone = std::move(ended)}} {}

void offering::start(bool enforced) {
    for (const std::uint32_t other : connections::other_offers(slot_.next_layer(), asked_.name))
        log::info("{}: slot {} offers it too; a peer that names no slot gets that of the lowest "
                  "one that answers, so give one of them another name",
                  asked_.name, other);
    if (asked_.allowed && !enforced)
        log::info("{}: allow is no protection on this device: any VM of an ivshmem v1 device can "
                  "pose as any slot; use a protocol that checks who connects, as ssh and TLS do",
                  asked_.name);
    log::info("{}: offered in slot {}, from {}", asked_.name, slot_.number(), backend_.at().text());
    net::co_spawn(slot_.get_executor(), service_.run(),
                  [](const std::exception_ptr& failed, const boost::system::error_code&) {
                      if (failed) // an error is one of the slot, which ends the program
                          std::rethrow_exception(failed);
                  });
}

void offering::stop() {
    stopping_ = true;
    service_.stop();
}

void offering::join(const connections::carrier_ptr& from, std::uint32_t connection) {
    const std::uint32_t slot = from->peer_slot();
    log::detail("{}: connection {} of slot {}: connecting", asked_.name, connection, slot);
    backend_.join(asked_.name, from, connection,
                  [this, slot, connection](const connections::ending& how) {
                      log::info("{}: connection {} of slot {}: {} bytes sent, {} received; {}",
                                asked_.name, connection, slot, how.sent, how.received,
                                stopping_ ? this_side_ends : connections::text_of(how));
                  });
}

} // namespace ivshmem_forward
