// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstdint>

#include <sys/random.h>

namespace ivshmem {

/// Returns a random number that is not 0. Waits until the kernel's generator is seeded; after that
/// 4 bytes never fail (getrandom(2)).
inline std::uint32_t random_word() noexcept {
    std::uint32_t word = 0;
    while (word == 0)
        if (::getrandom(&word, sizeof word, 0) != static_cast<ssize_t>(sizeof word))
            word = 0;
    return word;
}

} // namespace ivshmem
