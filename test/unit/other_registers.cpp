// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Devices with v1's PCI ids whose registers may be others.

#include "fake_tree.hpp"
#include "helpers/has.hpp"

using namespace ivshmem;
using test::fake_tree;
using test::has;

namespace {

/// BAR0 of 4 KiB: id 1 of 3 peers, interrupts enabled, state 7, as AxVisor has them.
fake_tree::shape like_axvisor() {
    fake_tree::shape how;
    how.bar0_bytes = 4096;
    how.of_qemu = false;
    how.subsystem_vendor = 0;
    return how;
}

void fill(const fake_tree& tree, std::uint32_t peers) {
    tree.set_register(0, 1);
    tree.set_register(4, peers);
    tree.set_register(8, 1);
    tree.set_register(16, 7);
}

} // namespace

TEST_CASE("registers that are not v1's are refused by name") {
    const fake_tree tree{like_axvisor()};
    const auto peers = GENERATE(1U, 3U, 65536U);
    fill(tree, peers);
    const auto what = tree.fail(errc::protocol_unsupported);
    for (const char* words : {"0000:00:04.0", "4096 bytes", "AxVisor"})
        CHECK(has(what, words));
    CHECK(tree.get_register(0) == 1);
    CHECK(tree.get_register(12) == 0);
    CHECK(fake_tree::read(tree.pci / "enable").substr(0, 1) == "0");
}

TEST_CASE("a larger BAR0 with v1's registers is opened") {
    const fake_tree tree{like_axvisor()};
    const auto reserved = GENERATE(0U, 0xffffffffU);
    tree.set_register(4, reserved);
    CHECK(tree.open().id() == 5);
}

TEST_CASE("old ACRN had a larger BAR0 too") {
    auto how = like_axvisor();
    how.subsystem_vendor = 0x8086;
    const fake_tree tree{how};
    fill(tree, 3);
    CHECK(tree.open().id() == 1);
}

TEST_CASE("a device whose BAR0 has v1's size is not asked") {
    fake_tree::shape how;
    how.revision = GENERATE(0U, 1U);
    const fake_tree tree{how};
    fill(tree, 3);
    CHECK(tree.open().id() == 1);
}

TEST_CASE("revision 0 with a larger BAR0 is refused, and its registers are not read") {
    auto how = like_axvisor();
    how.revision = 0;
    const fake_tree tree{how};
    CHECK(has(tree.fail(errc::protocol_unsupported), "revision 0 has 4096 bytes"));
}
