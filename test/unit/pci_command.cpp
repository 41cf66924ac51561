// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/pci_command.hpp"

#include "fake_tree.hpp"

#include <cerrno>

#include <linux/pci_regs.h>

using ivshmem::pci_command;
using test::fake_tree;

namespace {

unsigned command(const fake_tree& tree) {
    const auto bytes = fake_tree::read(tree.pci / "config");
    return static_cast<unsigned char>(bytes[4]) | unsigned{static_cast<unsigned char>(bytes[5])}
                                                      << 8U;
}

} // namespace

TEST_CASE("bits of the command register are set and cleared, and no other byte changes") {
    const fake_tree tree{{}};
    const auto before = fake_tree::read(tree.pci / "config");
    const pci_command reg{tree.pci / "config"};
    CHECK(reg.read_only() == 0);
    CHECK(reg.change(PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, 0) == 0);
    CHECK(command(tree) == 0x406);
    CHECK(reg.change(0, PCI_COMMAND_INTX_DISABLE) == 0);
    CHECK(command(tree) == 0x6);
    CHECK(reg.change(0, PCI_COMMAND_MASTER) == 0);
    CHECK(fake_tree::read(tree.pci / "config") == before);
}

TEST_CASE("a command register that may only be read") {
    const fake_tree tree{{}};
    std::filesystem::permissions(tree.root, std::filesystem::perms::all);
    REQUIRE(::chmod((tree.pci / "config").c_str(), 0444) == 0);
    const test::as_nobody nobody;
    const pci_command reg{tree.pci / "config"};
    CHECK(reg.read_only() == EACCES);
    CHECK(reg.change(PCI_COMMAND_MEMORY, 0) == 0); // it is set already
    CHECK(reg.change(PCI_COMMAND_MASTER, 0) == EACCES);
    CHECK(command(tree) == 0x2);
}

TEST_CASE("a command register that cannot be read") {
    const fake_tree tree{{}};
    CHECK(pci_command{tree.pci / "none"}.change(PCI_COMMAND_MASTER, 0) == EBADF);
    fake_tree::write(tree.pci / "config", "short");
    CHECK(pci_command{tree.pci / "config"}.change(PCI_COMMAND_MASTER, 0) == EIO);
}
