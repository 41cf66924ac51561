// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"

#include <ivshmem/pci_address.hpp>

using ivshmem::parse_pci_address;
using ivshmem::pci_address;

TEST_CASE("addresses are parsed with and without a domain") {
    CHECK(parse_pci_address("0000:00:04.0") == pci_address{0, 0, 4, 0});
    CHECK(parse_pci_address("00:04.0") == pci_address{0, 0, 4, 0});
    CHECK(parse_pci_address("abcd:EF:1f.7") == pci_address{0xabcd, 0xef, 31, 7});
    CHECK(parse_pci_address("10000:e1:00.0") == pci_address{0x10000, 0xe1, 0, 0});
    CHECK(parse_pci_address("ffffffff:00:00.0") == pci_address{0xffffffff, 0, 0, 0});
}

TEST_CASE("any other text is not an address") {
    for (const auto* text : {"",
                             ":",
                             "00",
                             "00:04",
                             "00:04.",
                             "00:04.8",
                             "00:20.0",
                             "0:4.0",
                             "00:4.0",
                             "000:00:04.0",
                             "100000000:00:04.0",
                             "0000:00:04.0 ",
                             " 0000:00:04.0",
                             "0000:00:04.00",
                             "0000:000:04.0",
                             "0x00:04.0",
                             "-1:04.0",
                             "0000:00:04:0",
                             "g0:04.0",
                             "0000::04.0",
                             "0000:00:04.0:",
                             "0000:0000:00:04.0"}) {
        INFO(text);
        CHECK_FALSE(parse_pci_address(text).has_value());
    }
}

TEST_CASE("the text form is that of sysfs, and parses back") {
    CHECK(to_string(pci_address{0, 0, 4, 0}) == "0000:00:04.0");
    CHECK(to_string(pci_address{0x10000, 0xe1, 0x1f, 7}) == "10000:e1:1f.7");
    for (const auto& address : {pci_address{0, 0, 0, 0}, pci_address{0xffffffff, 255, 31, 7}})
        CHECK(parse_pci_address(to_string(address)) == address);
}

TEST_CASE("addresses order by domain, bus, device and function") {
    CHECK(pci_address{0, 255, 31, 7} < pci_address{1, 0, 0, 0});
    CHECK(pci_address{0, 0, 31, 7} < pci_address{0, 1, 0, 0});
    CHECK(pci_address{0, 0, 3, 7} < pci_address{0, 0, 4, 0});
    CHECK(pci_address{0, 0, 4, 0} < pci_address{0, 0, 4, 1});
}
