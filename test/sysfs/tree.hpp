// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace fake {

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = 1024 * kib;
inline constexpr std::uint64_t gib = 1024 * mib;

/// Flags of the `resource` file (linux/ioport.h): memory, size-aligned; the low bits are the BAR's.
inline constexpr std::uint64_t memory_32 = 0x40200;
inline constexpr std::uint64_t memory_64_prefetchable = 0x14220c;

struct bar {
    std::uint64_t start = 0;
    std::uint64_t size = 0;
    std::uint64_t flags = memory_32;
};

/// A PCI function as sysfs describes it. The defaults are those of QEMU's ivshmem-plain.
struct function {
    std::string address;
    std::uint16_t vendor = 0x1af4;
    std::uint16_t device = 0x1110;
    std::uint16_t subsystem_vendor = 0x1af4;
    std::uint16_t subsystem_device = 0x1100;
    std::uint32_t class_code = 0x050000;
    std::uint8_t revision = 1;
    std::array<bar, 6> bars{};
    unsigned vectors = 0;          ///< of the MSI-X capability; 0 for none
    std::uint8_t pin = 0;          ///< of INTx: 1 to 4; 0 for none
    unsigned driver_vectors = 0;   ///< that the bound driver has set up
    std::string vendor_capability; ///< the bytes after id and next pointer; empty for none
    std::size_t config_size = 256; ///< 64: as for an unprivileged reader
    std::string driver;
    std::optional<unsigned> group; ///< IOMMU group
    std::optional<unsigned> uio;   ///< N of /dev/uioN
    int numa_node = -1;
    bool enabled = false;
};

/// A directory that looks like the root of a machine with these PCI functions: it has the files,
/// links and values that the kernel would show (K6.1, drivers/pci/pci-sysfs.c).
class tree {
  public:
    explicit tree(std::filesystem::path root);

    [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }
    /// ROOT/sys/bus/pci/devices/ADDRESS/NAME
    [[nodiscard]] std::filesystem::path attribute(std::string_view address,
                                                  std::string_view name = {}) const;

    tree& add(const function& f);
    /// Names the IOMMU group, as VFIO does with no-IOMMU groups.
    tree& name_group(unsigned group, std::string_view name);
    /// Creates an empty file ROOT/dev/NAME as a device node; only its permissions matter.
    tree& node(std::string_view name);

  private:
    void add_resources(const std::filesystem::path& dir, const function& f) const;
    void add_links(const std::filesystem::path& dir, const function& f) const;

    std::filesystem::path root_;
};

void write_file(const std::filesystem::path& path, std::string_view content);
[[nodiscard]] std::string read_file(const std::filesystem::path& path);
/// Replaces a file by a FIFO.
void make_fifo(const std::filesystem::path& path);
/// Returns the configuration space of a function (PCI 3.0, 6.1), with its capabilities from 40h on.
[[nodiscard]] std::string config_space(const function& f);

} // namespace fake
