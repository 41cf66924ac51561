// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "config_space.hpp"

#include "common/print.hpp"

#include <array>
#include <cstddef>

// Section numbers are those of the PCI Local Bus Specification 3.0.

namespace lsivshmem {
namespace {

char sign(bool set) {
    return set ? '+' : '-';
}

void print_command(pci_dev* device) {
    const unsigned command = pci_read_word(device, PCI_COMMAND); // 6.2.2
    tools::print("\tControl: memory{} bus master{} INTx{}\n", sign(command & PCI_COMMAND_MEMORY),
                 sign(command & PCI_COMMAND_MASTER), sign(!(command & PCI_COMMAND_DISABLE_INTx)));
}

/// Prints where the table and the pending bits are, 6.8.2.
void print_msix(pci_dev* device, unsigned at) {
    constexpr unsigned bir = PCI_MSIX_BIR; // which BAR; the rest is the offset in it
    const unsigned control = pci_read_word(device, static_cast<int>(at) + PCI_CAP_FLAGS);
    const unsigned table = pci_read_long(device, static_cast<int>(at) + PCI_MSIX_TABLE);
    const unsigned pending = pci_read_long(device, static_cast<int>(at) + PCI_MSIX_PBA);
    tools::print("MSI-X: enable{} mask{} count {}, table BAR{}+{:#x}, pending bits BAR{}+{:#x}\n",
                 sign(control & PCI_MSIX_ENABLE), sign(control & PCI_MSIX_MASK),
                 (control & PCI_MSIX_TABSIZE) + 1, table & bir, table & ~bir, pending & bir,
                 pending & ~bir);
}

void print_capabilities(pci_dev* device) {
    pci_fill_info(device, PCI_FILL_CAPS);
    for (const auto* cap = device->first_cap; cap != nullptr; cap = cap->next) {
        tools::print("\tCapability at {:#04x}: ", cap->addr);
        switch (cap->id) {
        case PCI_CAP_ID_MSIX:
            print_msix(device, cap->addr);
            break;
        case PCI_CAP_ID_VNDR:
            tools::print("vendor specific, {} bytes\n",
                         unsigned{pci_read_byte(device, static_cast<int>(cap->addr) + 2)});
            break;
        case PCI_CAP_ID_MSI:
            tools::print("MSI\n");
            break;
        case PCI_CAP_ID_PM:
            tools::print("power management\n");
            break;
        case PCI_CAP_ID_EXP:
            tools::print("PCI Express\n");
            break;
        default:
            tools::print("id {:#04x}\n", cap->id);
        }
    }
}

/// Prints bytes as lspci -xxx does; only the header if this process may not read more.
void print_bytes(pci_dev* device) {
    constexpr int line_size = 16;
    std::array<u8, line_size> bytes{};
    for (int at = 0; at < 256; at += line_size) {
        if (pci_read_block(device, at, bytes.data(), line_size) == 0)
            return;
        tools::print("\t{:02x}:", at);
        for (const auto byte : bytes)
            tools::print(" {:02x}", byte);
        tools::print("\n");
    }
}

} // namespace

void print_config_space(pci_library& pci, const ivshmem::device_info& info) {
    const auto device = pci.open(info.address);
    // libpci returns all ones if the device is gone or the file cannot be read.
    if (!device || pci_read_word(device.get(), PCI_VENDOR_ID) != info.vendor) {
        tools::print("\tConfiguration space: cannot be read\n");
        return;
    }
    print_command(device.get());
    print_capabilities(device.get());
    print_bytes(device.get());
}

} // namespace lsivshmem
