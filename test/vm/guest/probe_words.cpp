// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The common input and output of the guests' programs.

#include "probe.hpp"

namespace probe {

std::uint32_t number(const words& args, std::size_t at, std::uint32_t otherwise) {
    return at < args.size() ? static_cast<std::uint32_t>(std::stoul(args[at])) : otherwise;
}

void report(const char* what, const std::error_code& ec) {
    if (ec)
        say("%s: %s %d", what, ec.category().name(), ec.value());
    else
        say("%s: ok", what);
}

} // namespace probe
