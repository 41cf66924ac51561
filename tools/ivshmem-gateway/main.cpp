// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "common/process_start.hpp"
#include "gateway.hpp"
#include "options.hpp"
#include "service/log.hpp"
#include "service/systemd.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <variant>

#include <unistd.h>

namespace {

namespace net = boost::asio;
namespace log = service::log;
namespace systemd = service::systemd;

void join(const ivshmem_gateway::options& o) {
    // First, so that a signal never finds anything to clean up.
    net::io_context io{1};
    net::signal_set signals{io, SIGTERM, SIGINT, SIGHUP};
    {
        ivshmem_gateway::gateway all{io, o};
        all.start();
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
        systemd::notify(ivshmem::formatted("READY=1\nMAINPID={}", ::getpid()));
        io.run();
        all.report_left();
        if (!all.is_resolving())
            return;
    }
    std::_Exit(EXIT_SUCCESS); // not after the resolver, which may take a minute
}

} // namespace

int main(int argc, char* argv[]) {
    tools::prepare_process();
    log::name_program("ivshmem-gateway");
    auto parsed = ivshmem_gateway::parse(argc, argv);
    if (const int* const code = std::get_if<int>(&parsed))
        return *code;
    auto& o = std::get<ivshmem_gateway::options>(parsed);
    if (o.common.verbosity > 0)
        log::be_verbose();
    if (o.check)
        return EXIT_SUCCESS;
    o.common.quiet = true;         // no progress on a terminal
    std::signal(SIGPIPE, SIG_IGN); // a closed log or socket must not end the program
    try {
        join(o);
        return EXIT_SUCCESS;
    } catch (const std::exception& e) {
        log::error("{}", e.what());
    }
    return ivshmem_gateway::exit_unusable;
}
