// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "fake_tree.hpp"
#include "helpers/deadline.hpp"
#include "helpers/has.hpp"
#include "running_share.hpp"

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

// A PCI device, as a tree of plain files: found by its address, registers and memory mapped.

using namespace host;
using ivshmem::errc;
using test::fake_tree;
using test::has;

namespace {

constexpr const char* address = "0000:00:04.0";

/// The service of a tree, at the socket where device::open() looks for it.
struct shared_tree {
    explicit shared_tree(const fake_tree::shape& how = {}) : tree{how} { start(); }
    shared_tree(const fake_tree::shape& how, const std::string& other_bars) : tree{how} {
        const auto other = tree.root / "sys/bus/pci/devices/0000:00:05.0";
        std::filesystem::create_directories(other);
        for (const char* const id : {"vendor", "device"})
            fake_tree::write(other / id, "0x1234\n");
        fake_tree::write(other / "class", "0x020000\n");
        fake_tree::write(other / "resource", other_bars);
    }
    void start() {
        std::filesystem::create_directories(tree.root / "run/ivshmem/share");
        share.emplace(address, (tree.root / "run/ivshmem/share" / address).string(),
                      std::vector<std::string>{"--root", tree.root.string()});
    }
    /// Runs the service to its end. @return its output
    [[nodiscard]] std::string fail() const {
        const temporary_folder folder;
        process p{{IVSHMEM_SHARE, address, "-S", folder / "s", "--root", tree.root.string()},
                  folder / "log"};
        CHECK(p.wait() == 1);
        return p.output();
    }

    fake_tree tree;
    std::optional<running_share> share;
};

} // namespace

TEST_CASE("a PCI device that is shared is found by its address") {
    const test::deadline limit;
    fake_tree::shape how;
    how.bar0 = GENERATE(0xfebf1000ULL, 0xfebf1100ULL); // also inside a page
    const shared_tree s{how};
    auto a = s.tree.open();
    auto b = s.tree.open();
    CHECK(a.backend() == ivshmem::backend_kind::shared);
    CHECK(a.description() == "shared, uio, no driver");
    REQUIRE(a.info() != nullptr);
    CHECK(to_string(a.info()->address) == address);
    CHECK(a.id() == 5);
    CHECK(a.vectors() == 4);
    CHECK(a.capabilities().ring);
    CHECK(a.capabilities().interrupts == 0);
    CHECK(a.memory().mode() == ivshmem::cache_mode::write_combining);
    CHECK(a.memory().size() == fake_tree::bar2_bytes);
    a.memory()[17] = std::byte{9};
    CHECK(b.memory()[17] == std::byte{9});
    a.ring(7, 2); // straight to the register
    CHECK(s.tree.get_register(12) == 0x70002);
    b.ring(8, 3);
    CHECK(s.tree.get_register(12) == 0x80003);
    std::error_code ec;
    a.ring(7, 4, ec); // as on the device itself: QEMU drops it
    CHECK(ec == errc::vector_out_of_range);
    static_cast<void>(a.interrupt_fd(0, ec));
    CHECK(ec == errc::interrupts_unsupported);
}

TEST_CASE("memory that a driver has mapped uncached first is shared uncached") {
    const test::deadline limit;
    fake_tree::shape how;
    const fake_tree tree{how};
    fake_tree::write(tree.root / "sys/kernel/debug/x86/pat_memtype_list",
                     "PAT memtype list:\n"
                     "PAT: [mem 0x00000000fe000000-0x00000000fe010000] uncached-minus\n");
    const running_share share{address, {"--root", tree.root.string()}};
    CHECK(share.open().memory().mode() == ivshmem::cache_mode::uncached);
}

TEST_CASE("a backend that is insisted on does not use the service") {
    const test::deadline limit;
    shared_tree s;
    auto options = s.tree.options;
    options.backend = ivshmem::backend_kind::uio;
    CHECK(ivshmem::device::open(address, options).backend() == ivshmem::backend_kind::uio);
    options.backend = ivshmem::backend_kind::shared;
    CHECK(ivshmem::device::open(address, options).backend() == ivshmem::backend_kind::shared);
    s.share->program().signal(SIGTERM);
    CHECK(s.share->program().wait() == 0);
    std::error_code ec;
    static_cast<void>(ivshmem::device::open(address, options, ec));
    CHECK(ec == errc::server_unreachable);
}

TEST_CASE("a socket at which no service listens is an error, not another way to the device") {
    const test::deadline limit;
    shared_tree s;
    s.share->program().signal(SIGKILL);
    REQUIRE(s.share->program().wait() == 128 + SIGKILL);
    const auto what = s.tree.fail(errc::server_unreachable);
    CHECK(has(what, "systemctl start ivshmem-share@"));
}

TEST_CASE("a service that is not root's is refused, unless the user names its socket") {
    if (::geteuid() != 0)
        return; // only root can be another user
    const test::deadline limit;
    const fake_tree tree{{}};
    const std::string folder = tree.root / "run/ivshmem/share";
    std::filesystem::create_directories(folder);
    const std::string socket = folder + "/" + address;
    constexpr uid_t nobody = 65534;
    REQUIRE(::chown(folder.c_str(), nobody, nobody) == 0);
    REQUIRE(::chmod(tree.root.c_str(), 0755) == 0);
    for (const char* const file : {"resource0", "resource2_wc", "enable"})
        REQUIRE(::chmod((tree.pci / file).c_str(), 0666) == 0);
    process p{{IVSHMEM_SHARE, address, "-S", socket, "--root", tree.root.string()},
              tree.root / "log",
              [] {
                  if (::setgid(nobody) != 0 || ::setuid(nobody) != 0)
                      ::_exit(1);
              }};
    REQUIRE(p.says("sharing"));
    CHECK(has(tree.fail(errc::permission_denied), "is not root's, but that of user 65534"));
    CHECK(ivshmem::device::open("share:" + socket, tree.options).id() == 5);
}

TEST_CASE("registers whose page holds another device are not handed out: the service rings") {
    const test::deadline limit;
    shared_tree s{{}, "0x00000000febf1800 0x00000000febf18ff 0x0000000000040200\n"};
    s.start();
    auto a = s.tree.open();
    CHECK(a.capabilities().ring);
    a.ring(7, 2);
    CHECK(eventually([&] { return s.tree.get_register(12) == 0x70002; }));
}

TEST_CASE("memory whose pages hold another device is not shared") {
    const test::deadline limit;
    const shared_tree s{{}, "0x00000000fe00ff00 0x00000000fe00ffff 0x0000000000040200\n"};
    CHECK(has(s.fail(), "the pages of its memory (BAR2) hold BARs of other devices too"));
}

TEST_CASE("another device beside the BARs, and ports, do not matter") {
    const test::deadline limit;
    shared_tree s{{},
                  "0x00000000fe010000 0x00000000fe0100ff 0x0000000000040200\n"
                  "0x00000000febf1000 0x00000000febf1fff 0x0000000000040101\n"};
    s.start();
    auto a = s.tree.open();
    a.ring(7, 2);
    CHECK(s.tree.get_register(12) == 0x70002);
}

TEST_CASE("a device that cannot be shared: the service says why") {
    const test::deadline limit;
    fake_tree::shape how;
    how.driver = "nvme";
    const fake_tree tree{how};
    const temporary_folder folder;
    process p{{IVSHMEM_SHARE, address, "-S", folder / "s", "--root", tree.root.string()},
              folder / "log"};
    CHECK(p.wait() == 1);
    CHECK(has(p.output(), "bound to nvme, which no backend can use; try: "));
}
