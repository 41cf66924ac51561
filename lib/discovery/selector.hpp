// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <ivshmem/device_info.hpp>
#include <ivshmem/selector.hpp>

#include <span>

namespace ivshmem {

/// As selector::choose(); nullptr if f is set.
const device_info* choose_device(const selector& which, std::span<const device_info> devices,
                                 failure& f);
const device_info* choose_device(const selector& which, const discovery& found, failure& f);

} // namespace ivshmem
