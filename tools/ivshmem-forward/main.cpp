// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "common/process_start.hpp"
#include "forwarder.hpp"
#include "ivshmemctl/open_device.hpp"
#include "ivshmemctl/peers/claim_slot.hpp"
#include "ivshmemctl/peers/memory_use.hpp"
#include "options.hpp"
#include "service/descriptor_limit.hpp"
#include "service/log.hpp"
#include "service/systemd.hpp"

#include <ivshmem/error.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <variant>
#include <vector>

#include <unistd.h>

namespace {

namespace net = boost::asio;
namespace log = service::log;
namespace systemd = service::systemd;
using ivshmem::failure;

void forward(const ivshmem_forward::options& o, failure& f) {
    // First, so that a signal never finds anything to clean up.
    net::io_context io{1};
    net::signal_set signals{io, SIGTERM, SIGINT, SIGHUP};
    service::raise_descriptor_limit(f);
    if (f)
        return;
    auto device = ivshmemctl::open_with_channels(o.common);
    auto slot = ivshmemctl::claim_slot_for_connections(io, device, o.common, o.place);
    const std::uint32_t number = slot.number();
    ivshmem_forward::forwarder all{io, device, std::move(slot), [&](std::error_code ec) {
                                       const auto why = ivshmemctl::explain_failure(device, ec);
                                       f.set(why.code(), why.what());
                                       io.stop();
                                   }};
    all.start(o, f);
    if (f)
        return;
    const std::function<void()> wait_for_signal = [&] {
        signals.async_wait([&](const boost::system::error_code& cancelled, int which) {
            if (cancelled)
                return;
            systemd::notify("STOPPING=1");
            log::info("ending: signal {}", which);
            all.stop();
            wait_for_signal(); // another one ends the program at once
        });
    };
    wait_for_signal();
    const auto how = device.info() != nullptr ? " (" + device.description() + ")" : std::string{};
    log::info("ready: {}{}, slot {}", ivshmemctl::name_of(device), how, number);
    systemd::notify(ivshmem::formatted("READY=1\nMAINPID={}", ::getpid()));
    io.run();
}

/// Prints a line for each service, which ivshmemctl shows.
void print_services(const ivshmem_forward::options& o) {
    for (const auto& one : o.offers) {
        std::string line = "offers " + one.name + " from " + one.from->text();
        for (const std::uint32_t slot : one.allowed.value_or(std::vector<std::uint32_t>{}))
            line += (line.find(", for slots ") == std::string::npos ? ", for slots " : ",") +
                    std::to_string(slot);
        std::cout << line << '\n';
    }
    for (const auto& one : o.listens)
        std::cout << "listens at " << one.at.text() << " for " << one.to.text() << '\n';
}

} // namespace

int main(int argc, char* argv[]) {
    tools::prepare_process();
    log::name_program("ivshmem-forward");
    auto parsed = ivshmem_forward::parse(argc, argv);
    if (const int* const code = std::get_if<int>(&parsed))
        return *code;
    auto& o = std::get<ivshmem_forward::options>(parsed);
    if (o.common.verbosity > 0)
        log::be_verbose();
    if (o.check) {
        if (o.common.verbosity > 0)
            print_services(o);
        return EXIT_SUCCESS;
    }
    o.common.quiet = true;         // no progress on a terminal
    std::signal(SIGPIPE, SIG_IGN); // a closed log must not end the program
    try {
        failure f;
        forward(o, f);
        if (!f)
            return EXIT_SUCCESS;
        log::error("{}", f.message());
    } catch (const std::exception& e) {
        log::error("{}", e.what());
    }
    return ivshmem_forward::exit_unusable;
}
