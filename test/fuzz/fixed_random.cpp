// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "fixed_random.hpp"

#include <cstddef>
#include <cstdint>

#include <sys/types.h>

namespace {

std::uint32_t next_random = 1;

} // namespace

/// Replaces the C library's.
extern "C" ssize_t getrandom(void* to, std::size_t size, unsigned) {
    for (std::size_t i = 0; i < size; ++i) {
        next_random = next_random * 1664525U + 1013904223U;
        static_cast<unsigned char*>(to)[i] = static_cast<unsigned char>(next_random >> 24U);
    }
    return static_cast<ssize_t>(size);
}

namespace test {

void restart_random() {
    next_random = 1;
}

} // namespace test
