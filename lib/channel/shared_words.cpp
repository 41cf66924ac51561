// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/shared_words.hpp"

#include <chrono>

namespace ivshmem {

void shared_words::pause() noexcept {
    using clock = std::chrono::steady_clock;
    const auto end = clock::now() + std::chrono::microseconds{1};
    do {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    } while (clock::now() < end);
}

} // namespace ivshmem
