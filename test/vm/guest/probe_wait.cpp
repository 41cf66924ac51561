// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "probe.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/io_context.hpp>

#include <chrono>

#include <unistd.h>

namespace probe {

void wait(ivshmem::device& dev, const words& args) {
    const std::uint32_t vector = number(args, 0, 0);
    const std::chrono::seconds limit{number(args, 1, 10)};
    say("waiting");
    for (std::uint32_t i = 0; i < number(args, 2, 1); ++i)
        say("rung %llu", static_cast<unsigned long long>(dev.wait(vector, limit)));
}

namespace {

void next(ivshmem::asio::device_events& stream) {
    stream.async_next([&stream](boost::system::error_code ec, ivshmem::event got) {
        if (ec)
            return report("events", ec);
        say("event: %s %u", std::string{to_string(got.type)}.c_str(), unsigned{got.peer});
        next(stream);
    });
}

void next(ivshmem::asio::interrupt& irq, std::uint32_t vector) {
    irq.async_wait([&irq, vector](boost::system::error_code ec, std::uint64_t rings) {
        if (ec)
            return report(("vector " + std::to_string(vector)).c_str(), ec);
        say("vector %u: rung %llu", vector, static_cast<unsigned long long>(rings));
        next(irq, vector);
    });
}

} // namespace

void events(ivshmem::device& dev, const words& args) {
    boost::asio::io_context io;
    {
        ivshmem::asio::device_events stream{io, dev};
        std::vector<ivshmem::asio::interrupt> interrupts;
        for (std::uint32_t vector = 0; vector < dev.capabilities().interrupts; ++vector)
            interrupts.emplace_back(io, dev, vector);
        next(stream);
        for (std::uint32_t vector = 0; vector < dev.capabilities().interrupts; ++vector)
            next(interrupts[vector], vector);
        say("waiting");
        io.run();
    }
    // A blocking wait fails in the same way.
    if (dev.capabilities().interrupts != 0) {
        std::error_code ec;
        dev.wait(0, std::chrono::seconds{10}, ec);
        report("wait", ec);
    }
    if (number(args, 0, 1) == 0)
        ::pause();
    dev.close();
    say("closed");
}

} // namespace probe
