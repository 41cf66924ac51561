// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "common/process_start.hpp"
#include "device_source.hpp"
#include "options.hpp"
#include "service/descriptor_limit.hpp"
#include "service/listener.hpp"
#include "service/log.hpp"
#include "service/systemd.hpp"
#include "vm_socket.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include <unistd.h>

namespace {

namespace asio = boost::asio;

/// Returns the listening socket of each VM.
std::vector<service::listener> listen(const ivshmem_device::options& o,
                                      std::vector<ivshmem::unique_fd> passed, ivshmem::failure& f) {
    std::vector<service::listener> listeners;
    listeners.reserve(std::max(passed.size(), o.sockets.size()));
    for (ivshmem::unique_fd& fd : passed)
        listeners.push_back(service::listener::adopt(std::move(fd)));
    if (!listeners.empty())
        return listeners;
    for (const std::string& path : o.sockets) {
        listeners.push_back(service::listener::open(path, f));
        if (f)
            break;
    }
    return listeners;
}

void serve(const ivshmem_device::options& o, std::vector<ivshmem::unique_fd> passed,
           ivshmem::failure& f) {
    // First, so that a signal never finds anything to clean up.
    asio::io_context io{1};
    asio::signal_set signals{io, SIGTERM, SIGINT, SIGHUP};

    service::raise_descriptor_limit(f);
    if (f)
        return;
    std::vector<service::listener> listeners = listen(o, std::move(passed), f);
    if (f)
        return;
    const auto source = ivshmem_device::device_source::open(io, o, f);
    if (f)
        return;
    service::log::info("{}", source->description());
    std::vector<std::unique_ptr<ivshmem_device::vm_socket>> sockets;
    for (service::listener& l : listeners) {
        ivshmem_device::vm_socket::acceptor_type acceptor{io};
        acceptor.assign(asio::local::stream_protocol{}, l.release());
        const auto number = static_cast<std::uint16_t>(sockets.size());
        service::log::info("VM {}: listening on {}", number, l.name());
        sockets.push_back(std::make_unique<ivshmem_device::vm_socket>(io, std::move(acceptor),
                                                                      number, l.name(), *source));
    }
    signals.async_wait([&](const boost::system::error_code& cancelled, int number) {
        if (cancelled)
            return;
        service::systemd::notify("STOPPING=1");
        service::log::info("ending: signal {}", number);
        for (const auto& s : sockets)
            s->stop();
        io.stop();
    });
    service::systemd::notify(ivshmem::formatted("READY=1\nMAINPID={}", ::getpid()));
    io.run();
}

} // namespace

int main(int argc, char* argv[]) {
    tools::prepare_process();
    service::log::name_program("ivshmem-device");
    // A closed log must not end the program (EPIPE); sockets use MSG_NOSIGNAL.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        ivshmem::failure f;
        auto passed = service::systemd::passed_sockets(ivshmem_device::most_vms, f);
        if (!f) {
            const auto parsed = ivshmem_device::parse(argc, argv, passed.size());
            if (const int* const code = std::get_if<int>(&parsed))
                return *code;
            const auto& o = std::get<ivshmem_device::options>(parsed);
            if (o.verbose)
                service::log::be_verbose();
            serve(o, std::move(passed), f);
        }
        if (!f)
            return EXIT_SUCCESS;
        service::log::error("{}", f.message());
    } catch (const std::exception& e) {
        service::log::error("had to stop: {}", e.what());
    }
    return EXIT_FAILURE;
}
