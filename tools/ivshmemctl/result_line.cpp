// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "result_line.hpp"

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace ivshmemctl {

void put_line(std::string_view line) {
    if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() ||
        std::fputc('\n', stdout) == EOF || std::fflush(stdout) != 0)
        throw std::system_error{errno, std::system_category(), "the output could not be written"};
}

} // namespace ivshmemctl
