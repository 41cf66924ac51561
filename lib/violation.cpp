// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/violation.hpp>

namespace ivshmem {

std::string_view to_string(violation v) noexcept {
    switch (v) {
    case violation::none:
        return "none";
    case violation::record:
        return "record";
    case violation::total:
        return "total";
    case violation::limit:
        return "limit";
    case violation::sequence:
        return "sequence";
    case violation::cursor:
        return "cursor";
    }
    return "unknown";
}

} // namespace ivshmem
