// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "color.hpp"

#include <cstdlib>

#include <unistd.h>

namespace tools {

bool wants_color(const std::string& when) {
    if (when == "always" || when == "never")
        return when == "always";
    const char* no_color = std::getenv("NO_COLOR"); // NOLINT(concurrency-mt-unsafe): one thread
    return (no_color == nullptr || *no_color == '\0') && ::isatty(STDOUT_FILENO) == 1;
}

} // namespace tools
