// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/cache_mode.hpp>

namespace ivshmem {

std::string_view to_string(cache_mode mode) noexcept {
    switch (mode) {
    case cache_mode::write_back:
        return "write-back";
    case cache_mode::write_combining:
        return "write-combining";
    case cache_mode::uncached:
        return "uncached";
    }
    return "unknown";
}

} // namespace ivshmem
