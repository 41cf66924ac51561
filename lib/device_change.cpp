// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/device_change.hpp>

namespace ivshmem {

std::string_view to_string(device_change::kind kind) noexcept {
    switch (kind) {
    case device_change::kind::added:
        return "added";
    case device_change::kind::removed:
        return "removed";
    case device_change::kind::changed:
        return "changed";
    }
    return "unknown";
}

} // namespace ivshmem
