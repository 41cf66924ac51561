// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/detail/doorbell_page.hpp>
#include <ivshmem/detail/publish.hpp>

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
            detail::publish();
        word(offset).store(detail::to_register(value), std::memory_order_release);
        if (combining_) [[unlikely]]
            detail::publish();
    }
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
    [[nodiscard]] std::span<std::byte> bytes(std::size_t offset, std::size_t size) const noexcept {
        return {base_ + offset, size};
    }
    void prefetch(std::size_t offset) const noexcept { __builtin_prefetch(base_ + offset); }

    [[nodiscard]] shared_words at(std::size_t offset) const noexcept {
        return {base_ + offset, combining_};
    }

  private:
    [[nodiscard]] std::atomic_ref<std::uint32_t> word(std::size_t offset) const noexcept {
        // Aligned: sections start on pages, and every offset of the layout is a multiple of 4.
        return std::atomic_ref{*reinterpret_cast<std::uint32_t*>(base_ + offset)};
    }

    std::byte* base_ = nullptr;
    bool combining_ = false;
};

} // namespace ivshmem
