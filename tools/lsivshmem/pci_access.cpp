// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "pci_access.hpp"

#include "common/exit_status.hpp"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include <sys/stat.h>

namespace lsivshmem {
namespace {

constexpr std::size_t name_size = 256;

// libpci passes its messages to variadic C functions.
void say(const char* format, va_list arguments) {
    std::fputs("lsivshmem: ", stderr);
    std::vfprintf(stderr, format, arguments); // NOLINT(clang-analyzer-valist.*): va_start is below
    std::fputc('\n', stderr);
}

void warn(char* format, ...) { // NOLINT(cert-dcl50-cpp)
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

/// Must not return: libpci does not survive its own failures.
__attribute__((noreturn)) void fail(char* format, ...) { // NOLINT(cert-dcl50-cpp)
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    std::exit(tools::exit_failure); // NOLINT(concurrency-mt-unsafe): one thread
}

} // namespace

pci_library::pci_library(const std::string& sysroot)
    : access_{pci_alloc()}, path_{sysroot + "/sys/bus/pci"} {
    const auto set = [&](std::string name, std::string value) {
        pci_set_param(access_.get(), name.data(), value.data()); // copies the value
    };
    set("sysfs.path", path_);
    // pci.ids has all entries of udev's database, in which a failed look-up leaks memory.
    set("hwdb.disable", "1");
    access_->method = PCI_ACCESS_SYS_BUS_PCI;
    access_->error = fail;
    access_->warning = warn;
    pci_init(access_.get());
}

std::string pci_library::device_name(const ivshmem::device_info& device) {
    std::array<char, name_size> buffer{};
    return pci_lookup_name(access_.get(), buffer.data(), buffer.size(),
                           PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, int{device.vendor},
                           int{device.device});
}

std::string pci_library::subsystem_name(const ivshmem::device_info& device) {
    std::array<char, name_size> buffer{};
    return pci_lookup_name(access_.get(), buffer.data(), buffer.size(),
                           PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
                           int{device.vendor}, int{device.device}, int{device.subsystem_vendor},
                           int{device.subsystem_device});
}

std::string pci_library::class_name(const ivshmem::device_info& device) {
    std::array<char, name_size> buffer{};
    return pci_lookup_name(access_.get(), buffer.data(), buffer.size(), PCI_LOOKUP_CLASS,
                           static_cast<int>(device.class_code >> 8U));
}

device_ptr pci_library::open(const ivshmem::pci_address& address) {
    // libpci opens any type of file, and opening a FIFO would block.
    struct stat status {};
    const auto config = path_ + "/devices/" + to_string(address) + "/config";
    if (::stat(config.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
        return nullptr;
    return device_ptr{pci_get_dev(access_.get(), static_cast<int>(address.domain), address.bus,
                                  address.device, address.function)};
}

} // namespace lsivshmem
