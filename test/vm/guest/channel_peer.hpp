// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "probe.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace channel_peer {

using probe::number;
using probe::report;
using probe::say;
using probe::words;

/// The parsed options.
struct settings {
    ivshmem::open_options device;
    ivshmem::slot_options slot;
    ivshmem::channel_options channel;
    std::uint32_t lane = 0;
    bool checked = true;
    bool ticks = false;
};

/// A claimed slot and its event loop.
struct place {
    /// Claims a slot and prints its facts.
    place(ivshmem::device& of, const settings& how);

    /// Returns the channel for the options and the first argument.
    [[nodiscard]] ivshmem::asio::channel open(const words& args);
    /// Runs until SIGTERM or stop(). Counts the ticks of a timer if the options request it.
    void run();
    void stop() { io.stop(); }

    ivshmem::device& device;
    const settings& how;
    boost::asio::io_context io;
    ivshmem::asio::slot slot;
};

// channel_transfer.cpp
void serve(place& at, const words& args);
void take(place& at, const words& args);
void echo(place& at, const words& args);
void send(place& at, const words& args);

// channel_pending.cpp
void idle(place& at, const words& args);
void pend(place& at, const words& args);

// channel_hostile.cpp
void storm(ivshmem::device& dev, const words& args);
void scribble(ivshmem::device& dev, const words& args);

} // namespace channel_peer
