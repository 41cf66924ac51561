// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// INTx of revision 0 through a UIO node, which is a FIFO here: the library reads counts from it,
// and unmasks the interrupt by writing to it. That ioctl binds eventfds is shown in guests only.

#include "base/unique_fd.hpp"
#include "fake_tree.hpp"
#include "helpers/has.hpp"

#include <optional>

#include <sys/wait.h>

using namespace ivshmem;
using test::fake_tree;
using test::has;

namespace {

fake_tree::shape revision_0(unsigned pin = 1) {
    fake_tree::shape how;
    how.driver = "igb_uio";
    how.vectors = 0;
    how.revision = 0;
    how.pin = pin;
    return how;
}

/// The driver's side of the node.
class uio_driver {
  public:
    explicit uio_driver(const fake_tree& tree) {
        const auto path = tree.add_uio();
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        node_ = unique_fd{::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    }
    void interrupt(std::uint32_t total) const {
        REQUIRE(::write(node_.get(), &total, sizeof total) == sizeof total);
    }
    [[nodiscard]] bool unmasked() const {
        std::uint32_t on = 0;
        return ::read(node_.get(), &on, sizeof on) == sizeof on && on == 1;
    }

  private:
    unique_fd node_;
};

} // namespace

TEST_CASE("revision 0 without MSI-X: INTx is vector 0, and is unmasked after each interrupt") {
    const fake_tree tree{revision_0()};
    const uio_driver driver{tree};
    tree.set_register(4, 1);
    {
        auto dev = tree.open();
        CHECK(dev.info()->type == device_type::doorbell);
        CHECK(dev.info()->intx);
        CHECK(dev.vectors() == 1);
        CHECK(dev.capabilities().interrupts == 1);
        CHECK(tree.get_register(0) == 1); // IntrMask
        CHECK(driver.unmasked());
        for (std::uint32_t total = 1; total < 4; ++total) {
            driver.interrupt(total);
            CHECK(dev.take_any() == interrupt_count{0, 1});
            CHECK(driver.unmasked());
        }
        CHECK(dev.take(0) == 0);
        CHECK_FALSE(driver.unmasked());
        std::error_code ec;
        dev.wait(1, std::chrono::milliseconds{1}, ec);
        CHECK(ec == errc::vector_out_of_range);
        // The peers may have more vectors.
        dev.ring(7, 255);
        CHECK(tree.get_register(12) == 0x700ff);
    }
    CHECK(tree.get_register(0) == 0);
}

TEST_CASE("INTx belongs to one program at a time") {
    const fake_tree tree{revision_0()};
    const uio_driver driver{tree};
    std::optional<ivshmem::device> first{tree.open()};
    CHECK(driver.unmasked());
    auto second = tree.open();
    CHECK(second.capabilities().interrupts == 0);
    CHECK(second.capabilities().ring);
    std::string why;
    try {
        second.take(0);
    } catch (const error& e) {
        CHECK(e.code() == errc::interrupts_unsupported);
        why = e.what();
    }
    CHECK(has(why, "another program has the device's interrupts"));
    second.close();
    CHECK(tree.get_register(0) == 1);
    first.reset();
    CHECK(tree.get_register(0) == 0);
    CHECK(tree.open().capabilities().interrupts == 1);
}

TEST_CASE("a forked child leaves INTx enabled") {
    const fake_tree tree{revision_0()};
    const uio_driver driver{tree};
    auto dev = tree.open();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dev.close();
        ::_exit(0);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(tree.get_register(0) == 1);
}

TEST_CASE("capabilities that cannot be read: whether the driver has MSI-X vectors decides") {
    auto how = revision_0();
    how.vectors = 4;
    how.config_bytes = 64;
    const fake_tree tree{how};
    const uio_driver driver{tree};
    tree.set_register(0, 0x5a);
    const bool msix = GENERATE(false, true);
    if (msix)
        std::filesystem::create_directories(tree.pci / "msi_irqs/24");
    const auto dev = tree.open();
    CHECK(dev.info()->type == device_type::unknown);
    CHECK(dev.capabilities().interrupts == 1);
    CHECK(tree.get_register(0) == (msix ? 0x5a : 1));
}

TEST_CASE("IntrMask is not touched with MSI-X, or on revision 1") {
    auto how = revision_0();
    SECTION("MSI-X") {
        how.vectors = 4;
    }
    SECTION("revision 1") {
        how.revision = 1;
        how.vectors = 4;
    }
    SECTION("revision 1 without MSI-X: a plain device") {
        how.revision = 1;
    }
    SECTION("no interrupt pin: a plain device") {
        how.pin = 0;
    }
    const fake_tree tree{how};
    const uio_driver driver{tree};
    tree.set_register(0, 0x5a);
    {
        const auto dev = tree.open();
        CHECK_FALSE(dev.info()->intx);
        CHECK(dev.capabilities().interrupts == (how.vectors == 0 ? 0U : 1U));
        CHECK(driver.unmasked() == (how.vectors != 0));
    }
    CHECK(tree.get_register(0) == 0x5a);
}
