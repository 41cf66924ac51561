// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/detail/doorbell_page.hpp>
#include <ivshmem/detail/publish.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ivshmem {

/// Words and bytes of shared memory by their offset; the rings access memory through this class
/// only. A checker of memory orderings puts its own class in its place.
///
/// The offsets are trusted, the contents are not.
class shared_words {
  public:
    shared_words() = default;
    /// @param combining The memory is write-combining: stores need fences to stay in order.
    shared_words(std::byte* base, bool combining) noexcept : base_{base}, combining_{combining} {}

    [[nodiscard]] std::uint32_t load(std::size_t offset) const noexcept {
        return detail::to_register(word(offset).load(std::memory_order_relaxed));
    }
    [[nodiscard]] std::uint32_t look(std::size_t offset) const noexcept {
        return detail::to_register(word(offset).load(std::memory_order_acquire));
    }
    void store(std::size_t offset, std::uint32_t value) const noexcept {
        word(offset).store(detail::to_register(value), std::memory_order_relaxed);
    }
    /// Stores after all earlier stores.
    void publish(std::size_t offset, std::uint32_t value) const noexcept {
        if (combining_) [[unlikely]]
            return publish_combining(offset, value);
        word(offset).store(detail::to_register(value), std::memory_order_release);
    }
    /// Orders a store before a later load of another word.
    static void fence() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }

    void write(std::size_t offset, std::span<const std::byte> bytes) const noexcept {
        copy(base_ + offset, bytes.data(), bytes.size());
    }
    void read(std::size_t offset, std::span<std::byte> bytes) const noexcept {
        copy(bytes.data(), base_ + offset, bytes.size());
    }
    [[nodiscard]] std::span<std::byte> bytes(std::size_t offset, std::size_t size) const noexcept {
        return {base_ + offset, size};
    }
    void prefetch(std::size_t offset) const noexcept { __builtin_prefetch(base_ + offset); }
    /// Fetches a line for this processor alone.
    void prefetch_to_write(std::size_t offset) const noexcept {
#if defined(__x86_64__)
        // Of the builtin GCC makes a fetch to read unless it has -mprfchw. Processors that lack
        // this instruction ignore it.
        asm volatile("prefetchw %0" : : "m"(base_[offset]));
#else
        __builtin_prefetch(base_ + offset, 1);
#endif
    }

    [[nodiscard]] shared_words at(std::size_t offset) const noexcept {
        return {base_ + offset, combining_};
    }

  private:
    void publish_combining(std::size_t offset, std::uint32_t value) const noexcept {
        detail::publish();
        word(offset).store(detail::to_register(value), std::memory_order_release);
        detail::publish();
    }
    /// Copies 8 to 64 bytes without a call, which would take longer than the copy.
    [[gnu::always_inline]] static void copy(std::byte* to, const std::byte* from,
                                            std::size_t size) noexcept {
        if (size - 8 <= 8)
            copy_both_ends<8>(to, from, size);
        else if (size - 16 <= 16)
            copy_both_ends<16>(to, from, size);
        else if (size - 32 <= 32)
            copy_both_ends<32>(to, from, size);
        else if (size != 0)
            std::memcpy(to, from, size);
    }
    /// @param size Half to 2 * Half; the two copies overlap if it is less than that.
    template <std::size_t Half>
    static void copy_both_ends(std::byte* to, const std::byte* from, std::size_t size) noexcept {
        std::array<std::byte, Half> first;
        std::array<std::byte, Half> last;
        std::memcpy(first.data(), from, Half);
        std::memcpy(last.data(), from + size - Half, Half);
        std::memcpy(to, first.data(), Half);
        std::memcpy(to + size - Half, last.data(), Half);
    }
    [[nodiscard]] std::atomic_ref<std::uint32_t> word(std::size_t offset) const noexcept {
        // Aligned: sections start on pages, and every offset of the layout is a multiple of 4.
        return std::atomic_ref{*reinterpret_cast<std::uint32_t*>(base_ + offset)};
    }

    std::byte* base_ = nullptr;
    bool combining_ = false;
};

} // namespace ivshmem
