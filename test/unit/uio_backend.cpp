// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Devices bound to a UIO driver, or to none, over a tree of plain files.

#include "base/unique_fd.hpp"
#include "fake_tree.hpp"
#include "helpers/has.hpp"

#include <chrono>

#include <poll.h>
#include <sys/wait.h>

using namespace ivshmem;
using test::fake_tree;
using test::has;
using namespace std::chrono_literals;

namespace {

template <typename Call>
std::string thrown(errc wanted, Call&& call) {
    try {
        call();
        FAIL("nothing was thrown");
        return {};
    } catch (const error& e) {
        INFO(e.what());
        CHECK(e.code() == wanted);
        return e.what();
    }
}

fake_tree::shape bound_to(const std::string& driver) {
    fake_tree::shape how;
    how.driver = driver;
    return how;
}

} // namespace

TEST_CASE("a device without a driver: memory and doorbell, no interrupts") {
    fake_tree::shape how;
    how.bar0 = GENERATE(0xfebf1000ULL, 0xfebf1100ULL, 0xfebf1f00ULL); // also inside a page
    const fake_tree tree{how};
    {
        auto dev = tree.open();
        CHECK(dev.backend() == backend_kind::uio);
        CHECK(dev.description() == "uio, no driver");
        CHECK(dev.info() != nullptr);
        CHECK(dev.id() == 5);
        CHECK(dev.vectors() == 4);
        CHECK(dev.capabilities().ring);
        CHECK(dev.capabilities().interrupts == 0);
        CHECK(fake_tree::read(tree.pci / "enable").substr(0, 1) == "1");
        dev.ring(0xabcd, 2);
        CHECK(tree.get_register(12) == 0xabcd0002);
        dev.ring(65535, 3);
        CHECK(tree.get_register(12) == 0xffff0003);
        CHECK(tree.get_register(16) == 0);
        for (std::uint32_t vector = 0; vector < 4; ++vector) {
            const auto what = thrown(errc::interrupts_unsupported,
                                     [&] { static_cast<void>(dev.interrupt_fd(vector)); });
            CHECK(has(what, "0000:00:04.0"));
            CHECK(has(what, "igb_uio"));
        }
        thrown(errc::vector_out_of_range, [&] { dev.wait(4, 1ms); });
        thrown(errc::interrupts_unsupported, [&] { dev.wait(0, 1h); });
        thrown(errc::interrupts_unsupported, [&] { dev.take_any(); });
        thrown(errc::events_unsupported, [&] { static_cast<void>(dev.event_fd()); });
        thrown(errc::peers_unsupported, [&] { static_cast<void>(dev.peers()); });
    }
    CHECK(fake_tree::read(tree.pci / "enable").substr(0, 1) == "0");
}

TEST_CASE("a forked child neither rings nor disables the device") {
    const fake_tree tree{{}};
    auto dev = tree.open();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::error_code ec;
        dev.ring(1, 1, ec);
        dev.close();
        ::_exit(ec == errc::forked ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(tree.get_register(12) == 0);
    CHECK(fake_tree::read(tree.pci / "enable").substr(0, 1) == "1");
}

TEST_CASE("a vector above 255 may be rung if the device has that many") {
    fake_tree::shape how;
    how.of_qemu = false;
    how.vectors = GENERATE(4U, 300U);
    const fake_tree tree{how};
    auto dev = tree.open();
    std::error_code ec;
    dev.ring(1, 255, ec);
    CHECK_FALSE(ec);
    dev.ring(1, 299, ec);
    CHECK(ec == (how.vectors == 300 ? std::error_code{} : errc::vector_out_of_range));
    CHECK(tree.get_register(12) == (how.vectors == 300 ? 0x1012bU : 0x100ffU));
    dev.ring(1, 300, ec);
    CHECK(ec == errc::vector_out_of_range);
    dev.ring(65536, 0, ec);
    CHECK(ec == errc::peer_out_of_range);
}

TEST_CASE("vectors that QEMU's device lacks itself are not rung: QEMU would drop them") {
    fake_tree::shape how;
    how.vectors = GENERATE(1U, 4U, 300U);
    const fake_tree tree{how};
    auto dev = tree.open();
    dev.ring(7, how.vectors - 1);
    CHECK(tree.get_register(12) == (7U << 16U | (how.vectors - 1)));
    const auto what = thrown(errc::vector_out_of_range, [&] { dev.ring(8, how.vectors); });
    CHECK(has(what, "vectors 0 to " + std::to_string(how.vectors - 1) + " (QEMU: vectors=)"));
    CHECK(tree.get_register(12) == (7U << 16U | (how.vectors - 1)));
}

TEST_CASE("a plain device has no doorbell and no interrupts") {
    fake_tree::shape how;
    how.vectors = 0;
    const fake_tree tree{how};
    auto dev = tree.open();
    CHECK(dev.vectors() == 0);
    CHECK_FALSE(dev.capabilities().ring);
    CHECK(has(thrown(errc::doorbell_unsupported, [&] { dev.ring(1, 0); }), "ivshmem-plain"));
    CHECK(has(thrown(errc::interrupts_unsupported, [&] { dev.wait(0, 1ms); }), "ivshmem-plain"));
    CHECK(tree.get_register(12) == 0);
}

TEST_CASE("capabilities that could not be read: ringing is allowed, no type is assumed") {
    fake_tree::shape how;
    how.config_bytes = 64;
    const fake_tree tree{how};
    auto dev = tree.open();
    dev.ring(2, 1);
    CHECK(tree.get_register(12) == 0x20001);
    const auto what = thrown(errc::interrupts_unsupported, [&] { dev.wait(0, 1ms); });
    CHECK_FALSE(has(what, "ivshmem-plain device"));
    CHECK(has(what, "igb_uio"));
}

TEST_CASE("a device that does not decode memory is an error") {
    fake_tree::shape how;
    how.decodes = false;
    const fake_tree tree{how};
    const auto what = tree.fail(errc::device_gone);
    CHECK(has(what, "0000:00:04.0"));
    CHECK(has(what, "setpci"));
    CHECK(fake_tree::read(tree.pci / "enable").substr(0, 1) == "0");
}

TEST_CASE("files that are missing or may not be opened") {
    const fake_tree tree{{}};
    SECTION("enable") {
        std::filesystem::remove(tree.pci / "enable");
        CHECK(has(tree.fail(std::errc::no_such_file_or_directory), "enable"));
    }
    SECTION("resource0") {
        std::filesystem::remove(tree.pci / "resource0");
        CHECK(has(tree.fail(std::errc::no_such_file_or_directory), "resource0"));
    }
    SECTION("permission") {
        const auto* const file = GENERATE("enable", "resource0");
        for (const auto* other : {"enable", "resource0"})
            std::filesystem::permissions(tree.pci / other, std::filesystem::perms::all);
        std::filesystem::permissions(tree.root, std::filesystem::perms::all);
        std::filesystem::permissions(tree.pci / file, std::filesystem::perms::none);
        const test::as_nobody nobody;
        const auto what = tree.fail(errc::permission_denied);
        CHECK(has(what, file));
        CHECK(has(what, file == std::string{"enable"} ? "only root" : "chgrp"));
    }
    SECTION("enable may not be opened, but the device is enabled already") {
        fake_tree::write(tree.pci / "enable", "1\n");
        REQUIRE(::chmod((tree.pci / "enable").c_str(), 0444) == 0);
        std::filesystem::permissions(tree.root, std::filesystem::perms::all);
        for (const auto* file : {"resource0", "resource2", "resource2_wc"})
            std::filesystem::permissions(tree.pci / file, std::filesystem::perms::all);
        {
            const test::as_nobody nobody;
            auto dev = tree.open();
            CHECK(dev.description() == "uio, no driver");
            dev.ring(9, 3);
        }
        CHECK(tree.get_register(12) == 0x90003);
        CHECK(fake_tree::read(tree.pci / "enable") == "1\n");
    }
}

TEST_CASE("a device bound to uio_pci_generic reports that no interrupt can arrive") {
    const fake_tree tree{bound_to("uio_pci_generic")};
    const auto node = tree.add_uio();
    // read() of its node fails with EIO, as for this file at address 0.
    std::filesystem::create_symlink("/proc/self/mem", node);
    auto dev = tree.open();
    CHECK(dev.description() == "uio, uio_pci_generic");
    CHECK(dev.capabilities().interrupts == 0);
    CHECK(dev.capabilities().ring);
    const auto what = thrown(errc::interrupts_unsupported, [&] { dev.wait(0, 1h); });
    CHECK(has(what, "uio_pci_generic"));
    CHECK(has(what, "ivshmemctl bind --driver igb_uio 0000:00:04.0"));
    dev.ring(9, 3);
    CHECK(tree.get_register(12) == 0x90003);
    CHECK(fake_tree::read(tree.pci / "enable") == "0\n"); // the driver enables and disables it
}

TEST_CASE("igb_uio delivers vector 0, as a running total") {
    const fake_tree tree{bound_to("igb_uio")};
    constexpr std::uint32_t before = 0xfffffffe; // the total wraps
    const auto path = tree.add_uio(before);
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    auto dev = tree.open();
    CHECK(dev.capabilities().interrupts == 1);
    CHECK(dev.vectors() == 4);
    const unique_fd node{::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    std::uint32_t unmask = 0;
    CHECK(::read(node.get(), &unmask, 4) == 4);
    CHECK(unmask == 1);

    const auto interrupt = [&](std::uint32_t total) {
        CHECK(::write(node.get(), &total, 4) == 4);
    };
    CHECK(dev.take(0) == 0);
    interrupt(before + 1);
    pollfd entry{dev.interrupt_fd(0), POLLIN, 0};
    CHECK(::poll(&entry, 1, 0) == 1);
    CHECK(dev.take(0) == 1);
    CHECK(dev.take(0) == 0);
    interrupt(before + 5);
    CHECK(dev.take_any() == interrupt_count{0, 4});
    interrupt(before + 6);
    CHECK(dev.wait(0, 10s) == 1);
    for (const std::uint32_t vector : {1U, 3U})
        CHECK(has(thrown(errc::interrupts_unsupported, [&] { dev.wait(vector, 1h); }),
                  "vector 0 only"));
    thrown(errc::vector_out_of_range, [&] { dev.take(4); });
}

TEST_CASE("drivers and nodes that do not fit") {
    SECTION("a driver that no backend knows") {
        const fake_tree tree{bound_to("nvme")};
        CHECK(has(tree.fail(errc::driver_unsuitable), "nvme"));
    }
    SECTION("a UIO driver without a node in sysfs") {
        const fake_tree tree{bound_to("igb_uio")};
        CHECK(has(tree.fail(errc::driver_unsuitable), "igb_uio"));
    }
    SECTION("a node that is not in /dev") {
        const fake_tree tree{bound_to("igb_uio")};
        const auto node = tree.add_uio();
        CHECK(has(tree.fail(std::errc::no_such_file_or_directory), node.string()));
    }
    SECTION("the other backend requested") {
        fake_tree tree{{}};
        tree.options.backend = backend_kind::vfio;
        CHECK(has(tree.fail(errc::driver_unsuitable), "vfio"));
    }
}
