// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/backend_kind.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/machine_info.hpp>
#include <ivshmem/pci_address.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ivshmem {

/// The register interface that a device has.
enum class device_generation {
    v1, ///< QEMU's and ACRN's ivshmem, 1af4:1110 (QEMU, docs/specs/ivshmem-spec.rst)
    v2, ///< ivshmem-v2, 110a:4106 (Jailhouse, Documentation/ivshmem-v2-specification.md)
};

/// Whether a device can ring and be rung; every v2 device can.
enum class device_type {
    unknown,  ///< this process may not read the capabilities: no guess is made
    plain,    ///< v1: memory only: no MSI-X capability
    doorbell, ///< has a doorbell and interrupts; v1: an MSI-X capability
};

[[nodiscard]] IVSHMEM_API std::string_view to_string(device_generation g) noexcept; ///< "v1", "v2"
[[nodiscard]] IVSHMEM_API std::string_view to_string(device_type t) noexcept; ///< "plain", ...

/// A base address register as the kernel's `resource` file describes it.
struct bar_info {
    std::uint64_t start = 0; ///< guest physical address of the first byte
    std::uint64_t size = 0;  ///< bytes; 0 if the device has no such BAR, or unplaced() one
    std::uint64_t flags = 0; ///< IORESOURCE_* (linux/ioport.h)

    [[nodiscard]] bool present() const noexcept { return size != 0; }
    /// Whether the device has this BAR, but the kernel gave it no address (IORESOURCE_UNSET). Its
    /// size is 0 if the kernel does not say it.
    [[nodiscard]] bool unplaced() const noexcept { return (flags & 0x20000000U) != 0; }
    [[nodiscard]] bool is_memory() const noexcept { return (flags & 0x200U) != 0; }
    [[nodiscard]] bool prefetchable() const noexcept { return (flags & 0x2000U) != 0; }
    [[nodiscard]] bool is_64bit() const noexcept { return (flags & 0x100000U) != 0; }

    bool operator==(const bar_info&) const = default;
};

/// A file through which the device can be used, and what this process may do with it.
struct device_node {
    std::string path; ///< "/dev/vfio/7", "/dev/uio0", ".../resource2_wc"
    bool exists = false;
    bool readable = false; ///< by the effective user
    bool writable = false;
    std::string group{}; ///< the group that may use it; empty if only the owner may

    [[nodiscard]] bool usable() const noexcept { return readable && writable; }

    bool operator==(const device_node&) const = default;
};

/// Another function in the same IOMMU group.
struct group_function {
    pci_address address;
    std::string driver;  ///< empty if none is bound
    bool bridge = false; ///< PCI class 0604: does not count against the group

    bool operator==(const group_function&) const = default;
};

/// The division of the memory of an ivshmem-v2 device: its vendor capability (Jailhouse,
/// Documentation/ivshmem-v2-specification.md, "Vendor Specific Capability (ID 09h)").
struct v2_layout {
    std::uint32_t state_table = 0; ///< bytes; read-only
    std::uint64_t read_write = 0;  ///< bytes that every peer may write; 0 if there are none
    std::uint64_t output = 0;      ///< bytes of each peer's own output section
    /// Guest physical address of the memory, if no BAR2 gives it.
    std::optional<std::uint64_t> base;

    bool operator==(const v2_layout&) const = default;
};

/// The facts that sysfs reports about a device, which need not be open. A std::optional is empty if
/// the fact does not exist or could not be read; `problems` says which and why.
struct device_info {
    pci_address address;
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    std::uint16_t subsystem_vendor = 0;
    std::uint16_t subsystem_device = 0;
    std::uint32_t class_code = 0; ///< base class, sub-class, programming interface: 0xBBSSPP
    std::optional<std::uint8_t> revision;
    device_generation generation = device_generation::v1;
    device_type type = device_type::unknown;
    /// The number of MSI-X vectors, or 1 if `intx`; absent if type is not doorbell, and for a v2
    /// device with INTx.
    std::optional<std::uint32_t> vectors;
    /// A v1 device of revision 0 that has INTx instead of MSI-X: rings on all vectors arrive as
    /// vector 0, several may become one, and a wake-up may have no ring.
    bool intx = false;
    std::array<bar_info, 6> bars{};
    /// ACRN: subsystem 8086:REGION names the shared memory region.
    std::optional<std::uint16_t> acrn_region;
    /// Only of v2 devices whose capabilities could be read.
    std::optional<v2_layout> v2;
    std::string driver; ///< empty if none is bound
    std::optional<int> numa_node;
    bool gone = false;    ///< its configuration space reads as all ones: unplugged
    bool enabled = false; ///< a driver, or sysfs `enable`, switched memory decoding on

    bool msi_allowed = true; ///< sysfs `msi_bus`: the bus lets the device use MSI-X
    /// sysfs `msi_irqs`: how many MSI-X vectors the bound driver has set up. Only ACRN's
    /// uio_pci_generic sets up any.
    std::uint32_t driver_vectors = 0;

    std::optional<std::uint32_t> iommu_group;
    bool noiommu = false;                      ///< the group is VFIO's no-IOMMU group
    std::vector<group_function> group_members; ///< the others in the group

    // The paths of the nodes begin with the root that discover() was given.
    std::optional<device_node> vfio_node;    ///< /dev/vfio/N or /dev/vfio/noiommu-N
    std::optional<device_node> uio_node;     ///< /dev/uioN
    std::optional<device_node> resource0;    ///< BAR0 through sysfs
    std::optional<device_node> resource2;    ///< BAR2 through sysfs, uncached
    std::optional<device_node> resource2_wc; ///< BAR2 through sysfs, write-combining

    machine_info machine; ///< the machine that the device belongs to

    /// One line for each file of this device that was missing, unreadable or malformed.
    std::vector<std::string> problems;

    /// The size of BAR2 in bytes, 0 if there is none: the shared memory, with all sections of a v2
    /// device.
    [[nodiscard]] std::uint64_t memory_size() const noexcept { return bars[2].size; }

    bool operator==(const device_info&) const = default;
};

/// The backend for the bound driver; nothing if no backend can use that driver. A v2 device needs
/// vfio-pci, or a driver whose UIO node has a map for each section, as uio_ivshmem. Thread safe.
[[nodiscard]] IVSHMEM_API std::optional<backend_kind> backend_for(const device_info& info) noexcept;

} // namespace ivshmem
