// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "formatted.hpp"

#include <string>
#include <string_view>

namespace ivshmem {

/// What to type to bind an ivshmem device to a driver; see ivshmemctl(8).
inline std::string bind_command(std::string_view driver, std::string_view device) {
    return formatted("ivshmemctl bind --driver {} {}", driver, device);
}

} // namespace ivshmem
