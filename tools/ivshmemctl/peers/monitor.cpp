// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "peers/device_watch.hpp"
#include "subcommands.hpp"

#include <boost/asio.hpp>

#include <csignal>

namespace ivshmemctl {
namespace {

int monitor(const common_options& common) {
    boost::asio::io_context io{1};
    boost::asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
    device_watch watch{io, common};
    watch.start();
    io.run();
    return tools::exit_success;
}

} // namespace

void add_monitor(subcommands& line) {
    auto sub = line.add(
        "monitor", "print rings, states, and peers and devices that come and go, until Ctrl-C");
    sub.set_action(monitor);
}

} // namespace ivshmemctl
