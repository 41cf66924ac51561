// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "alone.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/io_context.hpp>

namespace conformance {

namespace {

using boost::system::error_code;
using ivshmem::errc;

void asio_self_checks(ivshmem::device& dev, const options& o, report& r) {
    boost::asio::io_context io;
    for (std::uint32_t vector = 0; vector < dev.capabilities().interrupts; ++vector) {
        r.check("asio.interrupt." + std::to_string(vector), [&] {
            drain(dev);
            ivshmem::asio::interrupt irq{io, dev, vector};
            std::uint64_t rings = 0;
            irq.async_wait([&](error_code ec, std::uint64_t count) { rings = ec ? 0 : count; });
            dev.ring(dev.id(), vector);
            io.restart();
            io.run_for(o.timeout);
            expect(rings >= 1, "no ring");
        });
        r.check("asio.any-interrupt." + std::to_string(vector), [&] {
            ivshmem::asio::any_interrupt any{io, dev};
            ivshmem::interrupt_count rings;
            any.async_wait([&](error_code ec, ivshmem::interrupt_count got) {
                if (!ec)
                    rings = got;
            });
            dev.ring(dev.id(), vector);
            io.restart();
            io.run_for(o.timeout);
            expect(rings.count >= 1, "no ring");
            expect(rings.vector == vector, "vector " + std::to_string(rings.vector) + " fired");
        });
    }
    r.check("asio.cancel", [&] {
        ivshmem::asio::interrupt irq{io, dev, 0};
        error_code first;
        std::uint64_t rings = 0;
        irq.async_wait([&](error_code ec, std::uint64_t) { first = ec; });
        irq.cancel();
        dev.ring(dev.id(), 0);
        io.restart();
        io.run_for(o.timeout);
        expect(first == boost::asio::error::operation_aborted, "cancel: " + first.message());
        irq.async_wait([&](error_code ec, std::uint64_t count) { rings = ec ? 0 : count; });
        io.restart();
        io.run_for(o.timeout);
        expect(rings >= 1, "the ring was lost with the cancelled wait");
    });
}

void unsupported_checks(ivshmem::device& dev, const options& o, report& r) {
    r.check("asio.unsupported", [&] {
        boost::asio::io_context io;
        ivshmem::asio::interrupt irq{io};
        expect_error(errc::interrupts_unsupported, "open",
                     [&](std::error_code& ec) { irq.open(dev, 0, ec); });
        error_code waited;
        irq.async_wait([&](error_code ec, std::uint64_t) { waited = ec; });
        io.run_for(o.timeout);
        expect(waited == errc::interrupts_unsupported, "wait: " + waited.message());
    });
}

} // namespace

void alone_with_asio(ivshmem::device& dev, const options& o, report& r) {
    if (dev.capabilities().interrupts == 0)
        unsupported_checks(dev, o, r);
    else if (dev.capabilities().ring)
        asio_self_checks(dev, o, r);
}

} // namespace conformance
