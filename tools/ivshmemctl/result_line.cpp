// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "result_line.hpp"

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace ivshmemctl {

void put_line(std::string_view line) {
    put(line, true);
}

void put(std::string_view text, bool newline) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        (newline && std::fputc('\n', stdout) == EOF) || std::fflush(stdout) != 0)
        throw std::system_error{errno, std::system_category(), "the output could not be written"};
}

} // namespace ivshmemctl
