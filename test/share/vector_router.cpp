// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "vector_router.hpp"

#include "base/wait_fds.hpp"
#include "helpers/catch.hpp"
#include "helpers/readable.hpp"

#include <boost/asio/io_context.hpp>

#include <array>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

// Which program the interrupts of a device reach, if the kernel can signal any eventfd: VFIO's.

using ivshmem::failure;
using ivshmem::take_eventfd;
using ivshmem_share::program;
using ivshmem_share::vector_router;

namespace {

/// A device whose interrupts the test raises, as VFIO signals them.
class raised_device final : public ivshmem::backend {
  public:
    raised_device() {
        failure f;
        for (auto& fd : own_)
            fd = ivshmem::make_eventfd("device", f);
        facts_.capabilities.interrupts = 2;
        facts_.vectors = 2;
        targets_ = {own_[0].get(), own_[1].get()};
    }
    void raise(std::uint32_t vector) const { ivshmem::signal_eventfd(targets_[vector]); }
    void ring(std::uint16_t /*peer*/, std::uint16_t /*vector*/, failure& /*f*/) override {}
    [[nodiscard]] int rings_fd(std::uint32_t vector) const override { return own_[vector].get(); }
    std::uint64_t take(std::uint32_t vector, failure& /*f*/) override {
        return take_eventfd(own_[vector].get());
    }
    bool direct(std::uint32_t vector, int eventfd, failure& f) override {
        if (refuses)
            f.set(ivshmem::errc::device_gone, "refused");
        else if (directs)
            targets_[vector] = eventfd < 0 ? own_[vector].get() : eventfd;
        return directs && !refuses;
    }
    [[nodiscard]] bool raises_own(std::uint32_t vector) const {
        return targets_[vector] == own_[vector].get();
    }

    bool directs = true;
    bool refuses = false;

  private:
    std::array<ivshmem::unique_fd, 2> own_;
    std::array<int, 2> targets_{};
};

struct programs {
    std::shared_ptr<program> add() {
        auto made = std::make_shared<program>(
            boost::asio::posix::stream_descriptor{io, ::open("/dev/null", O_RDWR | O_CLOEXEC)},
            service::peer_process{});
        failure f;
        router.add(made, f);
        REQUIRE_FALSE(f);
        return made;
    }
    static std::uint64_t rings_of(const program& p, std::uint32_t vector) {
        return take_eventfd(p.vectors[vector].eventfd.get());
    }
    /// As the service does when the descriptor is readable.
    void pass_on(std::uint32_t vector) {
        failure f;
        if (test::readable(device.rings_fd(vector)))
            router.pass_on(vector, f);
        REQUIRE_FALSE(f);
    }

    boost::asio::io_context io;
    raised_device device;
    vector_router router{device};
};

} // namespace

TEST_CASE("a vector that nobody has asked for reaches all programs") {
    programs all;
    const auto a = all.add();
    const auto b = all.add();
    all.device.raise(1);
    all.pass_on(1);
    CHECK(programs::rings_of(*a, 1) == 1);
    CHECK(programs::rings_of(*b, 1) == 1);
    CHECK(programs::rings_of(*a, 0) == 0);
}

TEST_CASE("a vector for which one program waits goes straight to it") {
    programs all;
    const auto a = all.add();
    const auto b = all.add();
    all.router.watch(*a, 0);
    CHECK(all.router.direct(0) == a.get());
    CHECK_FALSE(all.device.raises_own(0));
    CHECK(programs::rings_of(*a, 0) == 0); // nothing but rings
    all.device.raise(0);
    CHECK_FALSE(test::readable(all.device.rings_fd(0)));
    CHECK(programs::rings_of(*a, 0) == 1);
    CHECK(programs::rings_of(*b, 0) == 0);
    CHECK(all.device.raises_own(1));
}

TEST_CASE("a second program that waits for a vector gets it too, and what it has missed") {
    programs all;
    const auto a = all.add();
    const auto b = all.add();
    all.router.watch(*a, 0);
    all.device.raise(0); // before b waits
    CHECK(programs::rings_of(*a, 0) == 1);
    all.router.watch(*b, 0);
    CHECK(all.router.direct(0) == nullptr);
    CHECK(programs::rings_of(*b, 0) > 0);
    CHECK(programs::rings_of(*a, 0) == 1); // one may be lost during the change
    all.device.raise(0);
    all.pass_on(0);
    CHECK(programs::rings_of(*a, 0) == 1);
    CHECK(programs::rings_of(*b, 0) == 1);
    all.router.watch(*b, 0); // again: no change
    CHECK(programs::rings_of(*b, 0) == 0);
}

TEST_CASE("a program that joins while a vector goes straight to another misses nothing") {
    programs all;
    const auto a = all.add();
    all.router.watch(*a, 0);
    const auto b = all.add();
    programs::rings_of(*a, 0);
    all.device.raise(0);
    all.router.watch(*b, 0);
    CHECK(programs::rings_of(*b, 0) > 0);
}

TEST_CASE("a program that leaves: its vectors arrive elsewhere before its eventfds are closed") {
    programs all;
    const auto a = all.add();
    const auto b = all.add();
    all.router.watch(*a, 0);
    all.router.remove(a);
    CHECK(all.device.raises_own(0));
    CHECK(all.router.direct(0) == nullptr);
    all.device.raise(0);
    all.pass_on(0);
    CHECK(programs::rings_of(*b, 0) == 1);
    all.router.remove(a); // again: no effect

    const auto c = all.add();
    all.router.watch(*b, 1);
    all.router.watch(*c, 1);
    CHECK(all.router.direct(1) == nullptr);
    all.router.remove(c);
    CHECK(all.router.direct(1) == b.get()); // alone again
}

TEST_CASE("a device that cannot direct a vector: all programs get it") {
    programs all;
    all.device.directs = false;
    const auto a = all.add();
    const auto b = all.add();
    all.router.watch(*a, 0);
    CHECK(all.router.direct(0) == nullptr);
    all.device.raise(0);
    all.pass_on(0);
    CHECK(programs::rings_of(*a, 0) == 1);
    CHECK(programs::rings_of(*b, 0) == 1);
}

TEST_CASE("a kernel that refuses a change leaves the router without the program that is gone") {
    programs all;
    auto a = all.add();
    all.router.watch(*a, 0);
    all.device.refuses = true;
    all.router.remove(a);
    CHECK(all.router.direct(0) == nullptr);
}

TEST_CASE("an eventfd that a program has made blocking, and full, stops nobody") {
    programs all;
    const auto a = all.add();
    const auto b = all.add();
    const int fd = a->vectors[0].eventfd.get();
    const std::uint64_t full = ~std::uint64_t{0} - 1;
    REQUIRE(::write(fd, &full, sizeof full) == sizeof full);
    REQUIRE(::fcntl(fd, F_SETFL, 0) == 0);
    all.device.raise(0);
    all.pass_on(0);
    CHECK(programs::rings_of(*b, 0) == 1);
}
