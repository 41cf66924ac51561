// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>

#include <charconv>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>

/// Opens a device, claims a slot of its memory and runs the coroutine body(slot).
/// @return Whether the coroutine ended: false after Ctrl-C.
template <typename Body>
bool run_on_slot(const std::string& device_name, const std::string& slot_number, Body body) {
    std::uint32_t number = 0;
    const char* const end = slot_number.data() + slot_number.size();
    if (std::from_chars(slot_number.data(), end, number).ptr != end || slot_number.empty())
        throw std::invalid_argument{slot_number + ": not the number of a slot"};

    const auto device = ivshmem::device::open(device_name);
    boost::asio::io_context io{1};
    // Beats once a second, so that peers in other VMs notice if this program is killed.
    const ivshmem::slot_options options{.number = number, .heartbeat = std::chrono::seconds{1}};
    ivshmem::asio::slot slot{io, device, options};
    // A clean exit frees the slot at once, and closes the channels.
    boost::asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](auto, int) { io.stop(); });
    bool ended = false;
    boost::asio::co_spawn(io, body(slot), [&](const std::exception_ptr& failed) {
        if (failed)
            std::rethrow_exception(failed);
        ended = true;
        io.stop();
    });
    io.run();
    return ended;
}
