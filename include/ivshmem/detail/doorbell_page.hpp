// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <bit>
#include <cstdint>

namespace ivshmem::detail {

/// What ring() needs, in a page of its own that the kernel clears in a forked child
/// (madvise(2), MADV_WIPEONFORK): a child that rings finds no doorbell and gets errc::forked,
/// and the parent pays nothing for it.
struct doorbell_page {
    volatile std::uint32_t* doorbell; ///< the mapped register; null where ringing takes a call
    std::uint32_t vector_limit;       ///< the highest vector that may be rung
    bool store_fence;                 ///< the memory is write-combining
    bool alive;                       ///< cleared in a child
};

/// Makes all that was stored to the shared memory visible before the doorbell register is
/// written: an ordinary release fence does for write-back and uncached memory on x86; stores that
/// are still being combined need a store fence, and on arm64 a register is device memory, which
/// the release fence does not order.
inline void publish(bool store_fence) noexcept {
#if defined(__x86_64__) || defined(__i386__)
    if (store_fence)
        asm volatile("sfence" ::: "memory");
    else
        asm volatile("" ::: "memory"); // x86 orders stores: the compiler must not move them
#elif defined(__aarch64__)
    static_cast<void>(store_fence);
    asm volatile("dmb oshst" ::: "memory");
#else
    static_cast<void>(store_fence);
    __sync_synchronize();
#endif
}

/// Device registers are little-endian (QEMU, hw/misc/ivshmem-pci.c, ivshmem_mmio_ops).
constexpr std::uint32_t to_register(std::uint32_t value) noexcept {
    if constexpr (std::endian::native == std::endian::little)
        return value;
    else
        return __builtin_bswap32(value);
}

} // namespace ivshmem::detail
