// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/share_protocol.hpp"
#include "base/wait_fds.hpp"
#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "helpers/has.hpp"
#include "helpers/server_process.hpp"

#include <ivshmem/device.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <thread>

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// A program at a service that says anything of an ivshmem-v2 device. test/vm/test_share_v2.py has
// the service itself, at a device.

using ivshmem::errc;
using ivshmem::unique_fd;
using test::has;
namespace protocol = ivshmem::share_protocol;
using protocol::packet;
using protocol::packet_kind;

namespace {

constexpr std::uint32_t page = 4096;
constexpr std::uint32_t state_register = 0x10 / 4;

/// A memfd of whole pages of words, and its mapping.
struct pages {
    explicit pages(std::size_t count)
        : fd{::memfd_create("pages", MFD_CLOEXEC)}, bytes{count * page} {
        REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
        words = static_cast<std::uint32_t*>(
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
    }
    pages(const pages&) = delete;
    pages& operator=(const pages&) = delete;
    ~pages() { ::munmap(words, bytes); }

    unique_fd fd;
    std::size_t bytes;
    std::uint32_t* words = nullptr;
};

/// A service with one program, whose requests it answers until the program leaves.
class scripted_service {
  public:
    scripted_service() : listening_{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::ranges::copy(path, std::begin(address.sun_path));
        REQUIRE(::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) == 0);
        REQUIRE(::listen(listening_.get(), 1) == 0);
        const std::array<std::uint32_t, 5> values{1, 3, 1, 0, 0}; // id 1 of 3
        std::ranges::copy(values, registers.words);
        facts.id = 1;
        facts.vectors = facts.interrupts = 1;
        facts.flags = protocol::can_ring | protocol::has_registers | protocol::is_v2;
        facts.cache = static_cast<std::uint32_t>(ivshmem::cache_mode::write_combining);
        facts.memory = memory.bytes;
        facts.state_table = page;
        facts.read_write = 2 * page;
        facts.output = page;
        protocol::put_text(facts.name, "0000:00:04.0");
    }
    /// Opens the device while the service runs, and uses it.
    void serve(const std::function<void()>& use) {
        std::jthread runs{[this] {
            run();
        }};
        use();
    }
    [[nodiscard]] ivshmem::device open(std::error_code& ec) const {
        return ivshmem::device::open("share:" + path, {}, ec);
    }

    const host::temporary_folder folder;
    const std::string path = folder / "share";
    pages registers{1};
    pages memory{6};
    protocol::facts facts;
    bool others_have_slot = false;

  private:
    void run() const {
        const unique_fd one{::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        ivshmem::failure f;
        const unique_fd vector = ivshmem::make_eventfd("vector", f);
        pollfd readable{one.get(), POLLIN, 0};
        packet got;
        while (::poll(&readable, 1, -1) == 1) {
            const auto how = protocol::receive_bare(one.get(), got);
            if (how == protocol::arrival::none)
                continue;
            if (how != protocol::arrival::packet)
                return;
            packet answer{.value = got.value, .other = others_have_slot ? 0U : 1U};
            if (got.what == packet_kind::join) {
                packet welcome{.what = packet_kind::welcome};
                welcome.device = facts;
                protocol::send(one.get(), welcome, std::array{memory.fd.get(), registers.fd.get()});
                const int fd = vector.get();
                protocol::send(one.get(), {.what = packet_kind::vectors}, {&fd, 1});
                ivshmem::signal_eventfd(fd);
            } else if (got.what == packet_kind::take_slot) {
                answer.what = packet_kind::slot;
                protocol::put_text(answer.text, "12 (other)");
                protocol::send(one.get(), answer);
            } else if (got.what == packet_kind::give_slot) {
                answer.what = packet_kind::given;
                protocol::send(one.get(), answer);
            }
        }
    }

    unique_fd listening_;
};

} // namespace

TEST_CASE("a shared device of ivshmem-v2 has sections, states and vectors") {
    const test::deadline limit;
    scripted_service service;
    service.memory.words[2] = 9;                  // the state of peer 2
    service.memory.words[4 * page / 4] = 0x1234;  // the output section of peer 1
    service.registers.words[state_register] = 77; // of another program
    service.serve([&] {
        std::error_code ec;
        auto dev = service.open(ec);
        REQUIRE_FALSE(ec);
        CHECK(dev.generation() == ivshmem::device_generation::v2);
        CHECK((dev.id() == 1 && dev.max_peers() == 3));
        CHECK(dev.memory().size() == 2 * page);
        CHECK(dev.output_section().size() == page);
        CHECK(dev.output_section()[0] == std::byte{0x34});
        CHECK(dev.peer_state(2) == 9);
        CHECK(dev.capabilities().state_events);
        CHECK(dev.wait(0, host::deadline) == 1);
        dev.ring(2, 0);
        CHECK(service.registers.words[3] == 2U << 16U);
        service.memory.words[2] = 10;
        // Opening and closing left the state and the interrupts alone.
        CHECK(dev.state() == 77);
    });
    CHECK(service.registers.words[state_register] == 77);
    CHECK(service.registers.words[2] == 1);
}

TEST_CASE("one program at a time has the state of a shared device") {
    const test::deadline limit;
    scripted_service service;
    std::error_code ec;
    SECTION("this one") {
        service.serve([&] {
            auto dev = service.open(ec);
            dev.set_state(5);
            CHECK(service.registers.words[state_register] == 5);
        });
        CHECK(service.registers.words[state_register] == 0);
    }
    SECTION("another one") {
        service.others_have_slot = true;
        service.registers.words[state_register] = 77;
        service.serve([&] {
            auto dev = service.open(ec);
            for (const std::uint32_t value : {5U, 0U}) {
                dev.set_state(value, ec);
                CHECK(ec == errc::slot_in_use);
            }
        });
        CHECK(service.registers.words[state_register] == 77);
    }
}

TEST_CASE("sections that a service cannot have are refused") {
    const test::deadline limit;
    scripted_service service;
    std::error_code wanted = errc::sections_invalid;
    SECTION("no page of states") {
        service.facts.state_table = 0;
    }
    SECTION("part of a page") {
        service.facts.read_write = page + 1;
    }
    SECTION("more than the memory") {
        service.facts.output = 2 * page;
    }
    SECTION("more than there can be") {
        service.facts.output = ~std::uint64_t{page} + 1;
    }
    SECTION("one peer") {
        service.registers.words[1] = 1;
    }
    SECTION("an id that is none") {
        service.registers.words[0] = 3;
    }
    SECTION("no registers") {
        service.facts.flags &= ~std::uint32_t{protocol::has_registers};
        wanted = errc::server_protocol;
    }
    SECTION("registers across the end of the page") {
        service.facts.register_offset = page - 16;
        wanted = errc::server_protocol;
    }
    std::error_code ec;
    service.serve([&] { CHECK_FALSE(service.open(ec).is_open()); });
    CHECK(ec == wanted);
}
