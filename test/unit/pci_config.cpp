// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/pci_config.hpp"

#include "helpers/catch.hpp"

#include <string>

using ivshmem::failure;
using ivshmem::pci_config;
using answer = pci_config::found::answer;

namespace {

/// Sets the status bit for capabilities, with the first one at 40h.
std::string with_capabilities() {
    std::string bytes(pci_config::size, '\0');
    bytes[0x06] = 0x10;
    bytes[0x34] = 0x40;
    return bytes;
}

} // namespace

TEST_CASE("registers are little-endian and end where the bytes end") {
    const pci_config config{std::string{"\x01\x02\x03\x04\x05\x06\x07\x88"}};
    CHECK(config.u8(7) == 0x88);
    CHECK(config.u16(0) == 0x0201);
    CHECK(config.u32(4) == 0x88070605);
    CHECK(config.u64(0) == 0x8807060504030201);
    CHECK_FALSE(config.u8(8).has_value());
    CHECK_FALSE(config.u16(7).has_value());
    CHECK_FALSE(config.u32(5).has_value());
    CHECK_FALSE(config.u64(1).has_value());
    CHECK_FALSE(config.u64(std::size_t(-1)).has_value());
}

TEST_CASE("without the status bit there is no capability, however few bytes can be read") {
    for (const auto size : {std::size_t{64}, pci_config::size}) {
        failure f;
        const pci_config config{std::string(size, '\0')};
        CHECK(config.find_capability(pci_config::cap_msix, "config", f).is == answer::absent);
        CHECK_FALSE(f);
    }
}

TEST_CASE("the list is followed to the capability") {
    auto bytes = with_capabilities();
    bytes[0x34] = 0x43; // the two low bits are reserved
    bytes[0x40] = 0x01;
    bytes[0x41] = 0x60;
    bytes[0x60] = 0x11;
    bytes[0x62] = static_cast<char>(0xff);
    bytes[0x63] = static_cast<char>(0xff);
    failure f;
    const pci_config config{bytes};
    const auto msix = config.find_capability(pci_config::cap_msix, "config", f);
    REQUIRE(msix.is == answer::present);
    CHECK(msix.offset == 0x60);
    CHECK(config.msix_vectors(msix.offset) == 2048U);
    CHECK(config.find_capability(pci_config::cap_vendor, "config", f).is == answer::absent);
    CHECK_FALSE(f);
}

TEST_CASE("an unprivileged reader's 64 bytes leave the result unknown, which is not a failure") {
    failure f;
    const pci_config config{with_capabilities().substr(0, 64)};
    CHECK(config.find_capability(pci_config::cap_msix, "config", f).is == answer::unknown);
    CHECK_FALSE(f);
}

TEST_CASE("broken lists end, and are failures that name the file") {
    auto bytes = with_capabilities();
    SECTION("a loop of one") {
        bytes[0x40] = 0x05;
        bytes[0x41] = 0x40;
    }
    SECTION("a loop of two") {
        bytes[0x40] = 0x05;
        bytes[0x41] = 0x50;
        bytes[0x50] = 0x05;
        bytes[0x51] = 0x40;
    }
    SECTION("into the header") {
        bytes[0x34] = 0x3c;
    }
    SECTION("cut short") {
        bytes.resize(0x41);
    }
    failure f;
    const pci_config config{bytes};
    CHECK(config.find_capability(pci_config::cap_msix, "some/config", f).is == answer::unknown);
    CHECK(f.code() == ivshmem::errc::sysfs_malformed);
    CHECK(f.message().starts_with("some/config: "));
}

TEST_CASE("an MSI-X capability at the very end has no readable vectors") {
    auto bytes = with_capabilities();
    bytes[0x34] = static_cast<char>(0xfc);
    bytes[0xfc] = 0x11;
    bytes.resize(0xfe);
    CHECK_FALSE(pci_config{bytes}.msix_vectors(0xfc).has_value());
}
