// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "common/process_start.hpp"
#include "daemon.hpp"
#include "limits.hpp"
#include "options.hpp"
#include "region.hpp"
#include "server.hpp"
#include "service/descriptor_limit.hpp"
#include "service/listener.hpp"
#include "service/log.hpp"
#include "service/systemd.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <unistd.h>

namespace {

namespace asio = boost::asio;

void log_start(const std::string& socket, const ivshmem_server::region& memory,
               const ivshmem_server::client_policy& policy) {
    service::log::info("listening on {}: {} bytes ({}), vectors: {}, clients: at most {}", socket,
                       memory.size, memory.name, policy.vectors, policy.max_clients);
}

void serve(const ivshmem_server::options& o, std::vector<ivshmem::unique_fd> passed,
           ivshmem_server::daemon& background, ivshmem::failure& f) {
    // First, so that a signal never finds anything to clean up.
    asio::io_context io{1};
    asio::signal_set signals{io, SIGTERM, SIGINT, SIGHUP};

    ivshmem_server::client_policy policy;
    policy.vectors = o.vectors;
    policy.departures = o.departures;
    policy.max_clients_per_uid = o.max_clients_per_uid;
    policy.stall_timeout = std::chrono::seconds{o.stall_timeout};
    policy.max_clients = ivshmem_server::client_capacity(o.vectors, o.max_clients, f);
    if (f)
        return;
    policy.max_in_flight = service::descriptor_limit();
    service::listener listener = passed.empty()
                                     ? service::listener::open(o.socket, f)
                                     : service::listener::adopt(std::move(passed.front()));
    if (f)
        return;
    ivshmem_server::region memory = ivshmem_server::make_region(o, f);
    if (f)
        return;
    if (!o.foreground)
        background.write_pid_file(o.pid_file, f);
    if (f)
        return;

    ivshmem_server::server::acceptor_type acceptor{io};
    acceptor.assign(asio::local::stream_protocol{}, listener.release());
    log_start(listener.name(), memory, policy);
    ivshmem_server::server server{io, std::move(acceptor), std::move(memory), policy};
    signals.async_wait([&](const boost::system::error_code& cancelled, int number) {
        if (cancelled)
            return;
        service::systemd::notify("STOPPING=1");
        service::log::info("ending: signal {}", number);
        server.stop();
    });
    if (!o.foreground)
        background.ready();
    service::systemd::notify(ivshmem::formatted("READY=1\nMAINPID={}", ::getpid()));
    io.run();
}

} // namespace

int main(int argc, char* argv[]) {
    tools::prepare_process();
    service::log::name_program("ivshmem-server");
    const auto parsed = ivshmem_server::parse(argc, argv);
    if (const int* const code = std::get_if<int>(&parsed))
        return *code;
    const auto& o = std::get<ivshmem_server::options>(parsed);
    if (o.verbose)
        service::log::be_verbose();
    // A closed log must not end the server (EPIPE); sockets use MSG_NOSIGNAL.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        ivshmem::failure f;
        ivshmem_server::daemon background;
        // Before the fork: LISTEN_PID names this process.
        auto passed = service::systemd::passed_sockets(1, f);
        if (!f && !o.foreground) {
            if (const auto code = background.enter(f))
                return *code;
        }
        if (!f)
            serve(o, std::move(passed), background, f);
        if (!f)
            return EXIT_SUCCESS;
        service::log::error("{}", f.message());
    } catch (const std::exception& e) {
        service::log::error("had to stop: {}", e.what());
    }
    return EXIT_FAILURE;
}
