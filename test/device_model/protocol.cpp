// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/mapping.hpp"
#include "helpers/catch.hpp"
#include "helpers/has.hpp"
#include "vm.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

// The protocol: what a client may send, and what ends its connection and no other.

using namespace host;
namespace wire = ivshmem_device::wire;
using ivshmem::unique_fd;

namespace {

std::vector<std::byte> bytes_of(const wire::header& h, std::size_t body = 0) {
    std::vector<std::byte> bytes;
    wire::append(bytes, h);
    bytes.resize(bytes.size() + body);
    return bytes;
}

/// A version with this text.
std::vector<std::byte> version(std::uint16_t major, const std::string& text) {
    std::vector<std::byte> body;
    wire::append(body, wire::version{.major = major});
    const auto json = std::as_bytes(std::span{text});
    body.insert(body.end(), json.begin(), json.end());
    return body;
}

} // namespace

TEST_CASE("the version is negotiated with any text that is JSON") {
    running_device device{{"qemu"}};
    for (const std::string& text :
         {std::string{}, std::string("\0", 1), std::string("{}\0", 3),
          std::string(R"({"capabilities":{"max_msg_fds":1,"unknown":[]}})") + '\0'}) {
        vm a{device.socket(0), false};
        const auto r = a.call(wire::command::version, version(0, text));
        CHECK(r.number == 0);
        const std::string said{reinterpret_cast<const char*>(r.body.data()) + 4, r.body.size() - 4};
        CHECK(said == std::string{R"({"capabilities":{"max_msg_fds":16,)"
                                  R"("max_data_xfer_size":65536,"pgsizes":4096}})"} +
                          '\0');
        a.close();
        REQUIRE(device.says("disconnected"));
    }
}

TEST_CASE("a client that breaks the protocol is disconnected, with one line, and no other is") {
    running_device device{{"qemu"}};
    vm good{device.socket(1)};
    struct example {
        std::vector<std::byte> bytes;
        bool negotiate;
        const char* said;
    };
    const auto command = [](wire::command c) {
        return static_cast<std::uint16_t>(c);
    };
    const auto of_version = [&](std::uint16_t major, const std::string& text) {
        const auto body = version(major, text);
        auto all = bytes_of({.id = 1,
                             .command = command(wire::command::version),
                             .size = static_cast<std::uint32_t>(16 + body.size())});
        all.insert(all.end(), body.begin(), body.end());
        return all;
    };
    const std::vector<example> examples{
        {bytes_of({.command = 4, .size = 15}), true, "a message of 15 bytes"},
        {bytes_of({.command = 4, .size = 0}), true, "a message of 0 bytes"},
        {bytes_of({.command = 10, .size = 0xffffffff}), true, "a message of 4294967295 bytes"},
        {bytes_of({.command = 4, .size = 16, .flags = wire::reply}), true, "is no request"},
        {bytes_of({.command = 4, .size = 16, .flags = 0xf}), true, "is no request"},
        {bytes_of({.command = 4, .size = 32}, 16), false, "its first message is command 4"},
        {bytes_of({.command = 1, .size = 16}), false, "its version is too short"},
        {of_version(1, std::string("{}\0", 3)), false, "it speaks version 1.0"},
        {of_version(0, "{}"), false, "does not end with a zero byte"},
        {of_version(0, std::string("{\0", 2)), false, "is no JSON object"},
        {of_version(0, std::string("[]\0", 3)), false, "is no JSON object"},
        {of_version(0, std::string("{\"capabilities\":1}\0", 19)), false, "are no JSON object"},
        {of_version(0, std::string("{\"capabilities\":{\"max_msg_fds\":0}}\0", 35)), false,
         "its max_msg_fds is no number above 0"},
        {of_version(0, std::string("{}\0", 3)), true, "it negotiated the version again"},
    };
    for (const example& e : examples) {
        INFO(e.said);
        vm bad{device.socket(0), e.negotiate};
        bad.send_raw(e.bytes);
        CHECK(bad.closed());
        CHECK(device.says(e.said));
        CHECK(good.config(0) == 0x11101af4);
    }
    {
        vm bad{device.socket(0)};
        const auto whole = bytes_of({.command = 4, .size = 32});
        bad.send_raw(std::span{whole}.first(10));
        bad.close();
        CHECK(device.says("it closed the connection after 10 bytes of a message"));
    }
    CHECK(good.config(0) == 0x11101af4);
    CHECK(vm{device.socket(0)}.config(0) == 0x11101af4);
}

TEST_CASE("too many descriptors end the connection, and are closed") {
    running_device device{{"qemu"}};
    vm good{device.socket(1)};
    REQUIRE(good.config(0) != 0);
    const std::size_t before = device.open_descriptors();
    const unique_fd one{::eventfd(0, EFD_CLOEXEC)};
    std::vector<int> many(17, one.get());
    {
        vm bad{device.socket(0)};
        bad.send_raw(bytes_of({.command = 8, .size = 36}, 20), many);
        CHECK(bad.closed());
        CHECK(device.says("it sent 17 descriptors with one message, and the most are 16"));
    }
    {
        vm bad{device.socket(0)};
        bad.send_raw(bytes_of({.command = 4, .size = 32}, 16), std::span{many}.first(1));
        CHECK(bad.closed());
        CHECK(device.says("it sent descriptors with command 4"));
    }
    CHECK(eventually([&] { return device.open_descriptors() == before; }));
}

TEST_CASE("requests for what the device lacks are answered with an errno") {
    running_device device{{"qemu"}};
    vm a{device.socket(0)};
    const auto number = [&](wire::command what, std::span<const std::byte> body) {
        return a.call(what, body).number;
    };
    const auto access = [](std::uint64_t offset, std::uint32_t region, std::uint32_t count) {
        std::vector<std::byte> body;
        wire::append(body, wire::region_access{offset, region, count});
        return body;
    };
    for (const auto& bad : {access(0, 9, 4), access(0, 3, 4), access(253, 7, 4), access(256, 0, 1),
                            access(~std::uint64_t{0}, 2, 4), access(0, 2, 65537)}) {
        CHECK(number(wire::command::region_read, bad) == EINVAL);
        CHECK(number(wire::command::region_write, bad) == EINVAL);
    }
    CHECK(number(wire::command::region_write, access(0, 0, 4)) == EINVAL); // without its bytes
    CHECK(number(wire::command::region_read, access(256, 7, 0)) == 0);
    vfio_region_info region{};
    region.argsz = sizeof region;
    region.index = 9;
    CHECK(number(wire::command::region_info, std::as_bytes(std::span{&region, 1})) == EINVAL);
    vfio_irq_info irq{};
    for (const std::uint32_t index : {std::uint32_t{VFIO_PCI_ERR_IRQ_INDEX}, 5U, ~0U}) {
        irq.index = index;
        CHECK(number(wire::command::irq_info, std::as_bytes(std::span{&irq, 1})) == EINVAL);
    }
    for (std::uint16_t what = 2; what < 20; ++what) {
        INFO(what);
        const int said = number(static_cast<wire::command>(what), {});
        CHECK(said == (what == 13                              ? 0
                       : (what >= 2 && what <= 5) && what != 4 ? EINVAL
                       : what == 4                             ? 0
                       : what >= 7 && what <= 10               ? EINVAL
                                                               : ENOTSUP));
    }
}

TEST_CASE("SET_IRQS takes only what belongs together") {
    running_device device{{"qemu", "--vectors", "4"}};
    vm a{device.socket(0)};
    const unique_fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    const unique_fd other{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    const std::array two{event.get(), event.get()};
    const std::array wrong{other.get()};
    constexpr std::uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
    constexpr std::uint32_t eventfd = VFIO_IRQ_SET_DATA_EVENTFD | trigger;
    constexpr std::uint32_t none = VFIO_IRQ_SET_DATA_NONE | trigger;
    constexpr std::uint32_t msix = VFIO_PCI_MSIX_IRQ_INDEX;
    const auto set = [&](const std::vector<std::byte>& body, std::span<const int> fds = {}) {
        return a.call(wire::command::set_irqs, body, fds).number;
    };
    CHECK(set(irq_set(msix, eventfd, 2, 2), two) == 0);
    CHECK(set(irq_set(msix, none, 3, 1)) == 0); // the client rings itself
    std::uint64_t count = 0;
    CHECK(::read(event.get(), &count, sizeof count) == sizeof count);
    auto flags = irq_set(msix, VFIO_IRQ_SET_DATA_BOOL | trigger, 2, 2);
    CHECK(set(flags) == EINVAL); // without its bytes
    flags.push_back(std::byte{0});
    flags.push_back(std::byte{1});
    CHECK(set(flags) == 0);
    CHECK(::read(event.get(), &count, sizeof count) == sizeof count);
    CHECK(count == 1);
    CHECK(set(irq_set(msix, eventfd, 3, 2), two) == EINVAL);
    CHECK(set(irq_set(msix, eventfd, ~0U, 2), two) == EINVAL);
    CHECK(set(irq_set(msix, eventfd, 0, 1), two) == EINVAL);
    CHECK(set(irq_set(msix, eventfd, 0, 1), wrong) == EINVAL);
    CHECK(set(irq_set(msix, trigger, 0, 1)) == EINVAL);
    CHECK(set(irq_set(msix, none | VFIO_IRQ_SET_ACTION_MASK, 0, 1)) == EINVAL);
    CHECK(set(irq_set(msix, none | 64, 0, 1)) == EINVAL);
    CHECK(set(irq_set(VFIO_PCI_INTX_IRQ_INDEX, eventfd, 0, 1), std::span{two}.first(1)) == EINVAL);
    CHECK(set(irq_set(VFIO_PCI_ERR_IRQ_INDEX, eventfd, 0, 1), std::span{two}.first(1)) == EINVAL);
    CHECK(set(irq_set(msix, none, 0, 0)) == 0); // all off
    CHECK(set(irq_set(msix, none, 3, 1)) == 0);
    CHECK(::read(event.get(), &count, sizeof count) < 0);
}

TEST_CASE("the memory of a VM is neither mapped nor kept open") {
    running_device device{{"v2"}};
    vm a{device.socket(0)};
    REQUIRE(a.config(0) != 0);
    const std::size_t before = device.open_descriptors();
    const std::string maps = "/proc/" + std::to_string(device.program().pid()) + "/maps";
    const unique_fd ram{::memfd_create("ram-of-a-vm", MFD_CLOEXEC)};
    REQUIRE(::ftruncate(ram.get(), 1 << 20) == 0);
    const wire::dma_map map{.argsz = 32, .flags = 3, .size = 1 << 20};
    const std::array fds{ram.get()};
    // QEMU does not wait for the replies.
    std::vector<std::uint16_t> ids;
    for (int i = 0; i < 100; ++i)
        ids.push_back(a.send(wire::command::dma_map, std::as_bytes(std::span{&map, 1}), fds));
    for (const std::uint16_t id : ids)
        CHECK(a.receive(id).number == 0);
    CHECK(eventually([&] { return device.open_descriptors() == before; }));
    CHECK(text_of(maps).find("ram-of-a-vm") == std::string::npos);
    CHECK(text_of(maps).find("memfd:ivshmem") != std::string::npos);
    const wire::dma_unmap unmap{.argsz = 24, .size = 1 << 20};
    const auto r = a.call(wire::command::dma_unmap, std::as_bytes(std::span{&unmap, 1}));
    CHECK(r.number == 0);
}

TEST_CASE("requests in pieces, many at once, and without a reply") {
    running_device device{{"qemu"}};
    vm a{device.socket(0)};
    std::vector<std::byte> all;
    for (std::uint16_t i = 0; i < 200; ++i) {
        wire::append(
            all, wire::header{
                     .id = i, .command = 9, .size = 32, .flags = i % 2 == 0 ? 0 : wire::no_reply});
        wire::append(all, wire::region_access{0, VFIO_PCI_CONFIG_REGION_INDEX, 4});
    }
    std::size_t piece = 1;
    for (std::span<const std::byte> rest = all; !rest.empty(); piece = piece % 40 + 1) {
        a.send_raw(rest.first(std::min(piece, rest.size())));
        rest = rest.subspan(std::min(piece, rest.size()));
    }
    for (std::uint16_t i = 0; i < 200; i = static_cast<std::uint16_t>(i + 2))
        CHECK(a.receive(i).body.size() == 20);
}

TEST_CASE("a client that never reads delays no other") {
    running_device device{{"qemu"}};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    std::vector<std::byte> all;
    for (int i = 0; i < 100000; ++i) {
        wire::append(all, wire::header{.command = 9, .size = 32});
        wire::append(all, wire::region_access{0, VFIO_PCI_BAR2_REGION_INDEX, 65536});
    }
    std::size_t sent = 0;
    for (ssize_t some = 1; some > 0; sent += static_cast<std::size_t>(std::max<ssize_t>(some, 0)))
        some = ::send(a.socket(), all.data() + sent, all.size() - sent, MSG_DONTWAIT);
    CHECK(sent < all.size());
    CHECK(b.config(0) == 0x11101af4);
}
