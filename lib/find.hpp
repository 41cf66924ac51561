// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

// What the public discover() and selector functions are made of: the same steps, reporting
// through a failure, for the rest of the library to build on.

#include "failure.hpp"

#include <ivshmem/discovery.hpp>
#include <ivshmem/selector.hpp>

#include <filesystem>
#include <span>

namespace ivshmem {

/// discover(); an empty discovery where f is set.
discovery find_devices(const std::filesystem::path& root, failure& f);

/// selector::choose(); nullptr where f is set.
const device_info* choose_device(const selector& which, std::span<const device_info> devices,
                                 failure& f);

} // namespace ivshmem
