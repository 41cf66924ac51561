// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>
#include <ivshmem/diagnosis.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tools {

/// Returns "4M", or "4194304" if `plain`.
[[nodiscard]] std::string size_text(std::uint64_t bytes, bool plain);
/// Returns "0000:00:04.0 ivshmem v1 doorbell, 4 vectors, 4M".
[[nodiscard]] std::string headline(const ivshmem::device_info& info);
/// Returns "/dev/vfio/7 rw": the access that this process has, with "-" for what it lacks.
[[nodiscard]] std::string node_text(const ivshmem::device_node& node);
/// Returns the nodes that sysfs shows for the device.
[[nodiscard]] std::vector<const ivshmem::device_node*> nodes_of(const ivshmem::device_info& info);
/// Returns "0000:00:03.0 e1000e" or "0000:00:1f.0 bridge".
[[nodiscard]] std::string member_text(const ivshmem::group_function& member);
/// Returns "registers", "MSI-X table" or "shared memory".
[[nodiscard]] const char* bar_purpose(const ivshmem::device_info& info, std::size_t bar);
/// Returns the protocol of an ivshmem-v2 device: "0x0001, Ethernet".
[[nodiscard]] std::string protocol_text(const ivshmem::device_info& info);
/// Returns "state table 4K, read/write 64K, output 64K a peer"; sizes in bytes if `plain`.
[[nodiscard]] std::string sections_text(const ivshmem::v2_layout& layout, bool plain);
/// Returns "map ring interrupt", or "none".
[[nodiscard]] std::string use_text(const ivshmem::diagnosis& verdict);

} // namespace tools
