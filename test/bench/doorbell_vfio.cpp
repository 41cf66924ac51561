// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The doorbell ping-pong without a library: VFIO's ioctls, the mapped register and a blocking read;
// or, to measure the cost of an event loop alone, a read by Asio.
//     bench-doorbell-vfio ADDRESS GROUP first|second RUN ROUNDS blocking|asio

#include "doorbell_meeting.hpp"

#include <boost/asio.hpp>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

int must(int result, const char* what) {
    if (result < 0)
        throw std::system_error{errno, std::system_category(), what};
    return result;
}

void* map(int fd, std::size_t size, off_t offset) {
    void* const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
    if (address == MAP_FAILED) // NOLINT: the macro is C's
        throw std::system_error{errno, std::system_category(), "mmap"};
    return address;
}

std::uint64_t region_offset(int device, std::uint32_t index) {
    vfio_region_info info{};
    info.argsz = sizeof info;
    info.index = index;
    must(::ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info), "VFIO_DEVICE_GET_REGION_INFO");
    return info.offset;
}

/// Both sides of the game; `wait` returns when a ring was read.
struct game {
    volatile std::uint32_t* registers;
    std::uint32_t doorbell;
    bool first;
    round_trips::clock::time_point start{};

    void before_wait() {
        start = round_trips::clock::now();
        if (first)
            registers[3] = doorbell;
    }
    void after_wait(round_trips& times) {
        if (first)
            times.add(start);
        else
            registers[3] = doorbell;
    }
};

void play_blocking(game& g, int interrupt, std::size_t rounds, round_trips& times) {
    std::uint64_t rings = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        g.before_wait();
        must(int(::read(interrupt, &rings, sizeof rings)), "read");
        g.after_wait(times);
    }
}

void play_asio(game& g, int interrupt, std::size_t rounds, round_trips& times) {
    namespace net = boost::asio;
    net::io_context io{1};
    const auto play = [&]() -> net::awaitable<void> {
        net::posix::stream_descriptor descriptor{co_await net::this_coro::executor, interrupt};
        std::uint64_t rings = 0;
        for (std::size_t i = 0; i < rounds; ++i) {
            g.before_wait();
            co_await descriptor.async_read_some(net::buffer(&rings, sizeof rings),
                                                net::use_awaitable);
            g.after_wait(times);
        }
    };
    std::exception_ptr failed;
    net::co_spawn(io, play(), [&](std::exception_ptr e) { failed = e; });
    io.run();
    if (failed)
        std::rethrow_exception(failed);
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 7)
        throw std::runtime_error{"usage: bench-doorbell-vfio ADDRESS GROUP first|second RUN ROUNDS "
                                 "blocking|asio"};
    const std::string address = argv[1];
    const bool first = std::string_view{argv[3]} == "first";
    const std::size_t rounds = std::strtoull(argv[5], nullptr, 10);

    const int container = must(::open("/dev/vfio/vfio", O_RDWR), "/dev/vfio/vfio");
    const int group = must(::open((std::string{"/dev/vfio/"} + argv[2]).c_str(), O_RDWR), "group");
    must(::ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "VFIO_GROUP_SET_CONTAINER");
    must(::ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "VFIO_SET_IOMMU");
    const int device = must(::ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address.c_str()), "device");

    const std::uint64_t config = region_offset(device, VFIO_PCI_CONFIG_REGION_INDEX);
    std::uint16_t command = 0;
    must(int(::pread(device, &command, 2, off_t(config + 4))), "command register");
    command |= 6; // memory and bus master
    must(int(::pwrite(device, &command, 2, off_t(config + 4))), "command register");
    const auto bar0 = off_t(region_offset(device, VFIO_PCI_BAR0_REGION_INDEX));
    auto* const registers = static_cast<volatile std::uint32_t*>(map(device, 256, bar0));

    const int interrupt = must(::eventfd(0, 0), "eventfd");
    alignas(vfio_irq_set) unsigned char bytes[sizeof(vfio_irq_set) + sizeof(int)] = {};
    vfio_irq_set irqs{};
    irqs.argsz = sizeof bytes;
    irqs.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    irqs.index = VFIO_PCI_MSIX_IRQ_INDEX;
    irqs.count = 1;
    std::memcpy(bytes, &irqs, sizeof irqs);
    std::memcpy(bytes + sizeof irqs, &interrupt, sizeof interrupt);
    must(::ioctl(device, VFIO_DEVICE_SET_IRQS, bytes), "VFIO_DEVICE_SET_IRQS");

    const std::string bar2 = "/sys/bus/pci/devices/" + address + "/resource2";
    void* const memory = map(must(::open(bar2.c_str(), O_RDWR), "resource2"), 8192, 0);
    const meeting met{memory, first, std::strtoull(argv[4], nullptr, 10), registers[2]};
    game g{registers, met.other() << 16U, first};
    round_trips times{rounds};
    if (std::string_view{argv[6]} == "asio")
        play_asio(g, interrupt, rounds, times);
    else
        play_blocking(g, interrupt, rounds, times);
    if (first)
        times.print();
    met.finish();
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-doorbell-vfio: %s\n", e.what());
    return 1;
}
