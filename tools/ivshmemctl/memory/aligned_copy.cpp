// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "memory/aligned_copy.hpp"

#include <cstdint>
#include <cstring>

namespace ivshmemctl {
namespace {

using word = std::uintptr_t;

/// Calls for_byte(index) and for_word(index) so that the words are aligned in the shared memory.
template <typename ForByte, typename ForWord>
void in_pieces(const std::byte* shared, std::size_t size, ForByte for_byte, ForWord for_word) {
    std::size_t i = 0;
    for (; i < size && reinterpret_cast<std::uintptr_t>(shared + i) % sizeof(word) != 0; ++i)
        for_byte(i);
    for (; size - i >= sizeof(word); i += sizeof(word))
        for_word(i);
    for (; i < size; ++i)
        for_byte(i);
}

} // namespace

// The volatile accesses are neither merged nor split nor repeated.

void copy_from(ivshmem::cache_mode mode, std::span<const std::byte> shared, std::byte* to) {
    if (shared.empty())
        return;
    const std::byte* const from = shared.data();
    if (mode == ivshmem::cache_mode::write_back) {
        std::memcpy(to, from, shared.size());
        return;
    }
    in_pieces(
        from, shared.size(),
        [=](std::size_t i) { to[i] = *static_cast<const volatile std::byte*>(from + i); },
        [=](std::size_t i) {
            const word value = *reinterpret_cast<const volatile word*>(from + i);
            std::memcpy(to + i, &value, sizeof value);
        });
}

void copy_to(ivshmem::cache_mode mode, std::span<std::byte> shared, const std::byte* from) {
    if (shared.empty())
        return;
    std::byte* const to = shared.data();
    if (mode == ivshmem::cache_mode::write_back) {
        std::memcpy(to, from, shared.size());
        return;
    }
    in_pieces(
        to, shared.size(),
        [=](std::size_t i) { *static_cast<volatile std::byte*>(to + i) = from[i]; },
        [=](std::size_t i) {
            word value = 0;
            std::memcpy(&value, from + i, sizeof value);
            *reinterpret_cast<volatile word*>(to + i) = value;
        });
}

} // namespace ivshmemctl
