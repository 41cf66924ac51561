// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#define FMT_HEADER_ONLY // only here
#include "base/text.hpp"

#include <fmt/format.h>

namespace ivshmem {

std::string format_arguments(fmt::string_view format, fmt::format_args arguments) {
    return fmt::vformat(format, arguments);
}

} // namespace ivshmem
