// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/detail/doorbell_page.hpp>
#include <ivshmem/detail/publish.hpp>

#include <array>
#include <atomic>
#include <bit>
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
    [[gnu::always_inline]] void publish(std::size_t offset, std::uint32_t value) const noexcept {
        if (combining_) [[unlikely]]
            return publish_combining(word(offset), value);
        word(offset).store(detail::to_register(value), std::memory_order_release);
    }
    /// Stores two words side by side after all earlier stores, the first not before the second.
    /// Processors of x86 keep all stores in a queue and in order: one that waits for a line holds
    /// up those behind it, so that each store saved lets more lines be awaited together.
    /// @param offset A multiple of 8. @pre !combining()
    void publish(std::size_t offset, std::uint32_t first, std::uint32_t second) const noexcept {
        if constexpr (std::atomic_ref<std::uint64_t>::is_always_lock_free) {
            const std::array words{detail::to_register(first), detail::to_register(second)};
            std::atomic_ref{*reinterpret_cast<std::uint64_t*>(base_ + offset)}.store(
                std::bit_cast<std::uint64_t>(words), std::memory_order_release);
        } else {
            store(offset + sizeof first, second);
            word(offset).store(detail::to_register(first), std::memory_order_release);
        }
    }
    [[nodiscard]] bool combining() const noexcept { return combining_; }
    /// Orders a store before a later load of another word.
    static void fence() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }

    void write(std::size_t offset, std::span<const std::byte> bytes) const noexcept {
        if (!bytes.empty())
            std::memcpy(base_ + offset, bytes.data(), bytes.size());
    }
    void read(std::size_t offset, std::span<std::byte> bytes) const noexcept {
        if (!bytes.empty())
            std::memcpy(bytes.data(), base_ + offset, bytes.size());
    }
    /// What the next two can copy, in bytes.
    static constexpr std::uint32_t shortest = 8;
    static constexpr std::uint32_t longest_short = 64;
    [[nodiscard]] static constexpr bool is_short(std::size_t size) noexcept {
        return size >= shortest && size <= longest_short;
    }
    /// Copies without a call, which would take longer than the copy. @pre is_short(bytes.size())
    [[gnu::always_inline]] void write_short(std::size_t offset,
                                            std::span<const std::byte> bytes) const noexcept {
        copy_short(base_ + offset, bytes.data(), bytes.size());
    }
    [[gnu::always_inline]] void read_short(std::size_t offset,
                                           std::span<std::byte> bytes) const noexcept {
        copy_short(bytes.data(), base_ + offset, bytes.size());
    }
    [[nodiscard]] std::span<std::byte> bytes(std::size_t offset, std::size_t size) const noexcept {
        return {base_ + offset, size};
    }
    /// Fetches a line for this processor alone.
    void prefetch_to_write(std::size_t offset) const noexcept {
#if defined(__x86_64__)
        // Of the builtin GCC makes a fetch to read unless it has -mprfchw, and it drops the calls
        // of a function that has nothing else. Processors that lack this instruction ignore it.
        asm volatile("prefetchw %0" : : "m"(base_[offset]));
#else
        __builtin_prefetch(base_ + offset, 1);
        asm volatile("");
#endif
    }

    /// Looks away from the memory for a microsecond: several transfers of a line.
    static void pause() noexcept;

    [[nodiscard]] shared_words at(std::size_t offset) const noexcept {
        return {base_ + offset, combining_};
    }

  private:
    [[gnu::noinline, gnu::cold]] static void publish_combining(std::atomic_ref<std::uint32_t> word,
                                                               std::uint32_t value) noexcept {
        detail::publish();
        word.store(detail::to_register(value), std::memory_order_release);
        detail::publish();
    }
    [[gnu::always_inline]] static void copy_short(std::byte* to, const std::byte* from,
                                                  std::size_t size) noexcept {
        if (size == 8)
            return void(std::memcpy(to, from, 8));
        if (size <= 16)
            return copy_both_ends<std::uint64_t>(to, from, size);
        using sixteen [[gnu::vector_size(16)]] = std::uint64_t; // bytes
        if (size <= 32)
            return copy_both_ends<sixteen>(to, from, size);
        copy_both_ends<sixteen>(to, from, 32);
        copy_both_ends<sixteen>(to + size - 32, from + size - 32, 32);
    }
    /// @param size That of one Half to two; the two copies overlap if it is less than two.
    template <typename Half>
    [[gnu::always_inline]] static void copy_both_ends(std::byte* to, const std::byte* from,
                                                      std::size_t size) noexcept {
        Half first;
        Half last;
        std::memcpy(&first, from, sizeof first);
        std::memcpy(&last, from + size - sizeof last, sizeof last);
        std::memcpy(to, &first, sizeof first);
        std::memcpy(to + size - sizeof last, &last, sizeof last);
    }
    [[nodiscard]] std::atomic_ref<std::uint32_t> word(std::size_t offset) const noexcept {
        // Aligned: sections start on pages, and every offset of the layout is a multiple of 4.
        return std::atomic_ref{*reinterpret_cast<std::uint32_t*>(base_ + offset)};
    }

    std::byte* base_ = nullptr;
    bool combining_ = false;
};

} // namespace ivshmem
