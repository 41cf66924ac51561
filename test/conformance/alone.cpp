// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "alone.hpp"

#include <ivshmem/shared_memory.hpp>

#include <algorithm>
#include <span>
#include <string>

#include <unistd.h>

namespace conformance {

namespace {

using ivshmem::errc;
using std::chrono::milliseconds;

std::size_t page_size() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Words through volatile: no copy in a register is good enough, and no wide store is needed.
volatile std::uint64_t& word(std::span<std::byte> memory, std::size_t offset) {
    void* const address = memory.data() + offset;
    return *static_cast<volatile std::uint64_t*>(address);
}

/// Memory that this party may write: of an ivshmem-v2 device without a read/write section, its own
/// output section.
std::span<std::byte> some_memory(ivshmem::device& dev) {
    const auto memory = dev.memory().bytes();
    return memory.empty() ? dev.output_section() : memory;
}

void check_page(std::span<std::byte> memory, std::size_t offset) {
    const std::size_t length = std::min(page_size(), memory.size());
    for (const std::uint64_t pattern :
         {0ULL, ~0ULL, 0x5555555555555555ULL, 0xaaaaaaaaaaaaaaaaULL, 0x0123456789abcdefULL}) {
        for (std::size_t at = 0; at < length; at += 8)
            word(memory, offset + at) = pattern ^ at;
        ivshmem::shared_memory::publish();
        for (std::size_t at = 0; at < length; at += 8)
            expect(word(memory, offset + at) == (pattern ^ at),
                   "offset " + std::to_string(offset + at) + " does not hold the written value");
    }
}

void memory_checks(const std::string& name, std::span<std::byte> memory, report& r) {
    const std::size_t size = memory.size();
    const std::size_t page = page_size();
    if (!r.check(name + ".size", [&] { expect(size >= page && size % page == 0, "odd size"); }))
        return;
    r.check(name + ".first-page", [&] { check_page(memory, 0); });
    r.check(name + ".last-page", [&] { check_page(memory, size - page); });
    r.check(name + ".every-page", [&] {
        for (std::size_t at = 0; at < size; at += page)
            word(memory, at) = at + 1;
        ivshmem::shared_memory::publish();
        for (std::size_t at = 0; at < size; at += page)
            expect(word(memory, at) == at + 1,
                   "offset " + std::to_string(at) + " holds the value of another word");
    });
}

void range_checks(ivshmem::device& dev, report& r) {
    const bool ring = dev.capabilities().ring;
    r.check("ring.out-of-range", [&] {
        expect_error(ring ? errc::peer_out_of_range : errc::doorbell_unsupported, "peer 65536",
                     [&](auto& ec) { dev.ring(65536, 0, ec); });
        expect_error(ring ? errc::vector_out_of_range : errc::doorbell_unsupported, "vector 65536",
                     [&](auto& ec) { dev.ring(0, 65536, ec); });
    });
    r.check("interrupt.out-of-range", [&] {
        for (const std::uint32_t vector : {dev.vectors(), 65536U, ~0U}) {
            const auto wanted =
                dev.vectors() == 0 ? errc::interrupts_unsupported : errc::vector_out_of_range;
            const auto name = "vector " + std::to_string(vector);
            expect_error(wanted, name, [&](auto& ec) { (void)dev.interrupt_fd(vector, ec); });
            expect_error(wanted, name, [&](auto& ec) { dev.take(vector, ec); });
            expect_error(wanted, name, [&](auto& ec) { dev.wait(vector, milliseconds{1}, ec); });
        }
    });
    for (std::uint32_t vector = dev.capabilities().interrupts; vector < dev.vectors(); ++vector)
        r.check("interrupt.unsupported." + std::to_string(vector), [&] {
            expect_error(errc::interrupts_unsupported, "wait",
                         [&](auto& ec) { dev.wait(vector, milliseconds{1}, ec); });
        });
}

void self_checks(ivshmem::device& dev, const options& o, report& r) {
    const std::uint32_t interrupts = dev.capabilities().interrupts;
    for (std::uint32_t vector = 0; vector < interrupts; ++vector) {
        r.check("self.wait." + std::to_string(vector), [&] {
            drain(dev);
            dev.ring(dev.id(), vector);
            expect(dev.wait(vector, o.timeout) >= 1, "no ring");
            for (std::uint32_t other = 0; other < interrupts; ++other)
                expect(dev.take(other) == 0, "vector " + std::to_string(other) + " fired too");
        });
        r.check("self.take-any." + std::to_string(vector), [&] {
            dev.ring(dev.id(), vector);
            const auto deadline = std::chrono::steady_clock::now() + o.timeout;
            auto got = dev.take_any();
            for (; !got && std::chrono::steady_clock::now() < deadline; got = dev.take_any())
                ::usleep(100);
            expect(got.has_value(), "no ring");
            expect(got->vector == vector && got->count >= 1, "another vector fired");
            expect(!dev.take_any().has_value(), "more than one vector fired");
        });
    }
    r.check("self.many", [&] {
        for (int i = 0; i < 100; ++i)
            dev.ring(dev.id(), 0);
        const auto count = dev.wait(0, o.timeout);
        expect(count >= 1 && count <= 100, "a count of " + std::to_string(count));
        ::usleep(200'000);
        drain(dev);
    });
    r.check("wait.timed-out", [&] {
        expect_error(errc::timed_out, "wait", [&](auto& ec) { dev.wait(0, milliseconds{20}, ec); });
    });
}

void event_checks(ivshmem::device& dev, report& r) {
    const auto& can = dev.capabilities();
    r.check("peers", [&] {
        std::error_code ec;
        const auto ids = dev.peers(ec);
        if (can.peer_events || dev.generation() == ivshmem::device_generation::v2)
            expect(!ec && std::find(ids.begin(), ids.end(), dev.id()) == ids.end(),
                   "it lists itself");
        else
            expect(ec == errc::peers_unsupported, ec.message());
    });
    r.check("events", [&] {
        std::error_code ec;
        const int fd = dev.event_fd(ec);
        const bool of_service = dev.backend() == ivshmem::backend_kind::shared; // its end
        if (can.peer_events || can.removal_events || can.state_events || of_service)
            expect(!ec && fd >= 0 && !dev.next_event(ec) && !ec, "an event without a cause");
        else
            expect(ec == errc::events_unsupported, ec.message());
    });
}

void life_checks(ivshmem::device& dev, const options& o, report& r) {
    r.check("move", [&] {
        const auto* const data = dev.memory().data();
        ivshmem::device other{std::move(dev)};
        expect_error(errc::closed, "the device moved from",
                     [&](auto& ec) { dev.ring(0, 0, ec); }); // NOLINT: its state is documented
        dev = std::move(other);
        expect(dev.memory().data() == data, "the memory moved too");
    });
    r.check("close", [&] {
        dev.close();
        expect(!dev.is_open(), "it is open");
        expect_error(errc::closed, "ring", [&](auto& ec) { dev.ring(0, 0, ec); });
        expect_error(errc::closed, "take", [&](auto& ec) { dev.take(0, ec); });
        expect_error(errc::closed, "wait", [&](auto& ec) { dev.wait(0, milliseconds{1}, ec); });
        expect_error(errc::closed, "peers", [&](auto& ec) { (void)dev.peers(ec); });
    });
    r.check("open-again", [&] {
        ivshmem::open_options how;
        if (o.device.starts_with("server:"))
            how.vectors = o.vectors;
        dev = ivshmem::device::open(o.device, how);
        const auto memory = some_memory(dev);
        const std::size_t last = memory.size() - page_size();
        expect(word(memory, last) == last + 1, "the memory lost a written value");
    });
}

} // namespace

void drain(ivshmem::device& dev) {
    while (dev.capabilities().interrupts != 0 && dev.take_any())
        ;
}

void alone(ivshmem::device& dev, const options& o, report& r) {
    const bool v2 = dev.generation() == ivshmem::device_generation::v2;
    if (!v2 || dev.memory().size() != 0)
        memory_checks("memory", dev.memory().bytes(), r);
    if (v2)
        v2_checks(dev, r);
    else
        v1_checks(dev, r);
    if (v2 && !dev.output_section().empty())
        memory_checks("output", dev.output_section(), r);
    range_checks(dev, r);
    if (dev.capabilities().ring && dev.capabilities().interrupts != 0)
        self_checks(dev, o, r);
    alone_with_asio(dev, o, r);
    event_checks(dev, r);
    life_checks(dev, o, r);
}

} // namespace conformance
