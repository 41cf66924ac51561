// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "discovery/pci_config.hpp"
#include "discovery/sysfs.hpp"

#include <ivshmem/device_info.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ivshmem {

inline constexpr std::uint16_t vendor_v1 = 0x1af4; ///< Red Hat (QEMU's devices)
inline constexpr std::uint16_t device_v1 = 0x1110;
inline constexpr std::uint16_t vendor_v2 = 0x110a; ///< Siemens
inline constexpr std::uint16_t device_v2 = 0x4106;

/// Is in each line of device_info::problems that lacks nothing but a right of this process.
inline constexpr std::string_view without_the_right = "without CAP_SYS_ADMIN";

/// Reads the facts about one device from sysfs. Never fails: a fact that cannot be read stays
/// absent in the device_info and adds a line to its problems.
class device_reader {
  public:
    /// @param prefix The root without a slash at its end: "" for the running system.
    /// @param dir prefix/sys/bus/pci/devices/ADDRESS
    device_reader(const std::string& prefix, const sysfs_dir& dir, const pci_address& address,
                  device_generation generation);

    [[nodiscard]] device_info read() &&;

  private:
    enum class if_absent { ignore, report };

    /// As sysfs_dir::number(); adds a failure to the problems.
    std::optional<std::uint64_t> number(std::string_view name, std::uint64_t max, if_absent rule);
    void note(const failure& f, if_absent rule = if_absent::report);
    void note(std::string line) { info_.problems.push_back(std::move(line)); }

    void read_ids();
    void read_bars();
    void read_bar(std::size_t index, std::string_view line);
    void unplaced(std::size_t index, std::uint64_t size, std::uint64_t flags);
    void read_config();
    void read_lost_bars(const pci_config& config);
    void read_msix(const pci_config& config);
    void read_v2(const pci_config& config);
    void read_driver();
    void read_placement();
    void read_group();
    void read_member(const sysfs_dir& group, const std::string& name);
    void read_nodes();
    void read_uio_node();

    [[nodiscard]] std::optional<device_node> attribute_node(std::string_view name) const;

    const std::string& prefix_;
    const sysfs_dir& dir_;
    device_info info_;
    std::array<bool, 6> absent_{}; ///< the BARs that `resource` says the device lacks
};

} // namespace ivshmem
