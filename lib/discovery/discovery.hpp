// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <ivshmem/discovery.hpp>

#include <filesystem>

namespace ivshmem {

/// As discover(); an empty discovery if f is set.
discovery find_devices(const std::filesystem::path& root, failure& f);

} // namespace ivshmem
