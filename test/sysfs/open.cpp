// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Devices that must not be opened: each has its own error, which names its subject.

#include "helpers/catch.hpp"
#include "helpers/has.hpp"
#include "temp_dir.hpp"
#include "trees.hpp"

#include <ivshmem/device.hpp>
#include <ivshmem/discovery.hpp>

#include <filesystem>
#include <string>

#include <dirent.h>
#include <sys/resource.h>

using namespace ivshmem;
using test::has;

namespace {

int descriptors() {
    int count = 0;
    DIR* const list = ::opendir("/proc/self/fd");
    REQUIRE(list != nullptr);
    while (::readdir(list) != nullptr)
        ++count;
    ::closedir(list);
    return count;
}

/// Returns the failure of opening a device of a machine. Nothing stays open.
/// @param driver Binds the device 0000:00:0e.0 to it.
std::string refused(errc wanted, const char* machine, const char* which = "any",
                    open_options how = {}, const char* driver = nullptr) {
    const fake::temp_dir temp;
    fake::build_machine(machine, temp.path());
    if (driver != nullptr)
        std::filesystem::create_symlink(std::filesystem::path{"../drivers"} / driver,
                                        std::filesystem::path{temp.path()} /
                                            "sys/bus/pci/devices/0000:00:0e.0/driver");
    how.root = temp.path();
    const int before = descriptors();
    std::error_code ec;
    const auto dev = device::open(which, how, ec);
    CHECK_FALSE(dev.is_open());
    CHECK(ec == wanted);
    std::string message;
    try {
        const auto other = device::open(which, how);
    } catch (const error& e) {
        CHECK(e.code() == wanted);
        message = e.what();
    }
    CHECK(descriptors() == before);
    return message;
}

} // namespace

TEST_CASE("no PCI bus") {
    CHECK(has(refused(errc::sysfs_unavailable, "no-pci"), "sys/bus/pci/devices"));
}

TEST_CASE("no device, or not the requested one") {
    CHECK(has(refused(errc::device_not_found, "empty"), "no ivshmem device"));
    CHECK(has(refused(errc::device_not_found, "plain", "0000:00:1f.7"), "0000:00:1f.7"));
}

TEST_CASE("an ivshmem-v2 device needs a driver") {
    const auto what = refused(errc::driver_unsuitable, "jailhouse");
    CHECK(has(what, "0000:00:0e.0: an ivshmem-v2 device without a driver"));
    CHECK(has(refused(errc::driver_unsuitable, "jailhouse", "any", {}, "uio_pci_generic"),
              "uio_pci_generic"));
}

TEST_CASE("an ivshmem-v2 device whose memory has a fixed address is not for vfio-pci") {
    const auto what = refused(errc::bar_missing, "jailhouse", "any", {}, "vfio-pci");
    CHECK(has(what, "0000:00:0e.0: has no BAR2"));
    CHECK(has(what, "fixed address"));
    CHECK(has(what, "uio_ivshmem"));
}

TEST_CASE("a device without its registers or without its memory") {
    const auto registers = refused(errc::bar_missing, "no-bar0");
    CHECK(has(registers, "0000:00:04.0: has no BAR0"));
    CHECK(has(registers, "registers"));
    const auto memory = refused(errc::bar_missing, "no-bar2");
    CHECK(has(memory, "0000:00:04.0: has no BAR2"));
    CHECK(has(memory, "shared memory"));
}

TEST_CASE("malformed files leave no usable BARs") {
    for (const char* machine : {"resource-truncated", "resource-backwards", "garbage"})
        CHECK(has(refused(errc::bar_missing, machine), "has no BAR"));
}

TEST_CASE("a driver that no backend can use") {
    const auto what = refused(errc::driver_unsuitable, "other-driver");
    CHECK(has(what, "bound to "));
    CHECK(has(what, "vfio-pci"));
}

TEST_CASE("a backend that the bound driver does not fit") {
    open_options how;
    how.backend = backend_kind::vfio;
    CHECK(has(refused(errc::driver_unsuitable, "no-driver", "any", how), "without a driver"));
    how.backend = backend_kind::uio;
    CHECK(has(refused(errc::driver_unsuitable, "vfio", "any", how), "bound to vfio-pci"));
}

TEST_CASE("several devices, none named") {
    const auto what = refused(errc::device_ambiguous, "many");
    CHECK(has(what, "0000:"));
    CHECK(has(what, ", "));
}

TEST_CASE("a lack of descriptors is not reported as a lack of devices") {
    const fake::temp_dir temp;
    fake::build_machine("plain", temp.path());
    open_options how;
    how.root = temp.path();
    rlimit usual{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual) == 0);
    const rlimit none{0, usual.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    std::error_code found;
    static_cast<void>(discover(temp.path(), found));
    std::string message;
    try {
        const auto dev = device::open("any", how);
    } catch (const error& e) {
        message = e.what();
    }
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &usual) == 0);
    CHECK(found == errc::descriptor_limit);
    CHECK(has(message, "sys/bus/pci/devices"));
    CHECK(has(message, "ulimit -n"));
}
