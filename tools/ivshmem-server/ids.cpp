// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "ids.hpp"

namespace ivshmem_server {

std::optional<std::uint16_t> ids::take(logical_time oldest) {
    for (std::size_t tried = 0; tried < count; ++tried) {
        const std::uint16_t id = next_++; // wraps at 65536
        logical_time& left = left_[id];
        if (left != in_use && left < oldest) {
            left = in_use;
            return id;
        }
    }
    return std::nullopt;
}

void ids::give_back(std::uint16_t id, logical_time left) {
    left_[id] = left;
}

} // namespace ivshmem_server
