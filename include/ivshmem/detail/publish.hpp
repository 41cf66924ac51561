// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <atomic>

namespace ivshmem::detail {

/// Makes all that was stored to shared memory visible before what is stored next, be that memory
/// or a register. A release fence does for write-back memory on x86; stores that are still being
/// combined need a store fence, and on arm64 a register is device memory, which a release fence
/// does not order.
inline void publish() noexcept {
    std::atomic_signal_fence(std::memory_order_release); // for the compiler
#if defined(__x86_64__) || defined(__i386__)
    asm volatile("sfence" ::: "memory");
#elif defined(__aarch64__)
    asm volatile("dmb osh" ::: "memory"); // loads too, as a release fence has it
#else
    __sync_synchronize();
#endif
}

} // namespace ivshmem::detail
