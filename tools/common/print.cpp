// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#define FMT_HEADER_ONLY // only here
#include "print.hpp"

#include <fmt/format.h>

namespace tools {

std::string format_arguments(fmt::string_view format, fmt::format_args arguments) {
    return fmt::vformat(format, arguments);
}

void write(std::FILE* to, const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), to);
}

} // namespace tools
