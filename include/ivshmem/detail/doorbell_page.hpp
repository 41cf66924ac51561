// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/detail/publish.hpp>
#include <ivshmem/export.hpp>

#include <bit>
#include <cstdint>

namespace ivshmem::detail {

/// The data that ring() needs, in a page of its own that the kernel clears in a forked child
/// (madvise(2), MADV_WIPEONFORK): a child that rings finds no vector it may ring and gets
/// errc::forked, and the parent pays nothing for it.
struct doorbell_page {
    volatile std::uint32_t* doorbell; ///< the mapped register
    std::uint32_t vector_end;         ///< vectors below it may be rung inline; 0: none
    bool alive;                       ///< cleared in a child
};

/// Device registers are little-endian (QEMU, hw/misc/ivshmem-pci.c, ivshmem_mmio_ops).
constexpr std::uint32_t to_register(std::uint32_t value) noexcept {
    if constexpr (std::endian::native == std::endian::little)
        return value;
    else
        return __builtin_bswap32(value);
}

/// Rings a peer by one store to the register, after all stores before it.
/// @param peer 0..65535. @return Whether the vector may be rung this way.
inline bool ring_inline(const doorbell_page& page, std::uint32_t peer,
                        std::uint32_t vector) noexcept {
    if (vector >= page.vector_end) [[unlikely]]
        return false;
    publish();
    *page.doorbell = to_register(peer << 16U | vector);
    return true;
}

} // namespace ivshmem::detail
