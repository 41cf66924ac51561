// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>

#include <boost/json.hpp>

namespace tools {

/// Returns an object for each node that sysfs shows for the device: path, exists, readable,
/// writable.
[[nodiscard]] boost::json::array nodes_json(const ivshmem::device_info& info);
/// Returns the sections of an ivshmem-v2 device: state_table, read_write and output, in bytes, and
/// base, an address or null. Null for another device.
[[nodiscard]] boost::json::value sections_json(const ivshmem::device_info& info);

} // namespace tools
