// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/text.hpp"

#include <ivshmem/error.hpp>

#include <cstdint>
#include <system_error>

namespace ivshmem {

[[noreturn]] inline void raise(std::error_code ec, std::uint32_t peer, std::uint32_t lane) {
    throw error{ec, formatted("channel to slot {}, lane {}: {}", peer, lane, ec.message())};
}

} // namespace ivshmem
