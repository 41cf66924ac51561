// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <atomic>

namespace ivshmem::detail {

/// Makes earlier stores to shared memory visible before later stores to memory or a register. For
/// write-back memory on x86 a release fence suffices; write-combined stores need a store fence, and
/// on arm64 a register is device memory, which a release fence does not order.
inline void publish() noexcept {
    std::atomic_signal_fence(std::memory_order_release); // for the compiler
#if defined(__x86_64__) || defined(__i386__)
    asm volatile("sfence" ::: "memory");
#elif defined(__aarch64__)
    asm volatile("dmb osh" ::: "memory"); // orders loads too, as a release fence does
#else
    __sync_synchronize();
#endif
}

} // namespace ivshmem::detail
