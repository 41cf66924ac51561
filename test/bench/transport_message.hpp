// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// A mark in a message besides its number.
inline constexpr std::uint64_t clock_starts = std::uint64_t{1} << 62U;
inline constexpr std::uint64_t is_last = std::uint64_t{1} << 63U;
inline constexpr std::uint64_t marks = clock_starts | is_last;

/// The private memory that a side sends from or receives into: its number and marks are at the
/// start, at each page and at the end, so that lost, doubled, reordered and torn messages are
/// detected. The bytes in between stay the same and are checked once.
class numbered_message {
  public:
    explicit numbered_message(std::size_t size) : lines_((size + 63) / 64), size_{size} {}

    [[nodiscard]] std::span<std::byte> bytes() noexcept { return {lines_.front().bytes, size_}; }

    void fill() noexcept {
        for (std::size_t i = 0; i < size_; ++i)
            bytes()[i] = filler(i);
    }

    void number(std::uint64_t word) noexcept {
        put(0, word);
        for (std::size_t at = page; at + two_words <= size_; at += page)
            put(at, word);
        if (size_ >= two_words)
            put(size_ - sizeof word, word);
    }

    /// The marks of a message that must have this number.
    [[nodiscard]] std::uint64_t check(std::uint64_t expected) const {
        const std::uint64_t word = get(0);
        if ((word & ~marks) != expected) [[unlikely]]
            throw std::runtime_error{"message " + std::to_string(word & ~marks) +
                                     " came in the place of " + std::to_string(expected)};
        bool whole = size_ < two_words || get(size_ - sizeof word) == word;
        for (std::size_t at = page; at + two_words <= size_; at += page)
            whole = whole && get(at) == word;
        if (!whole) [[unlikely]]
            throw std::runtime_error{"message " + std::to_string(expected) +
                                     " has parts of another"};
        return word & marks;
    }

    /// Checks every byte.
    void check_filling() {
        const std::uint64_t word = get(0);
        numbered_message sent{size_};
        sent.fill();
        sent.number(word);
        for (std::size_t i = 0; i < size_; ++i)
            if (bytes()[i] != sent.bytes()[i])
                throw std::runtime_error{"byte " + std::to_string(i) + " is not what was sent"};
    }

  private:
    static constexpr std::size_t page = 4096;
    static constexpr std::size_t two_words = 2 * sizeof(std::uint64_t);
    struct alignas(64) line {
        std::byte bytes[64];
    };

    static constexpr std::byte filler(std::size_t i) noexcept { return std::byte(i * 167 + 13); }

    void put(std::size_t at, std::uint64_t word) noexcept {
        std::memcpy(lines_.front().bytes + at, &word, sizeof word);
    }
    [[nodiscard]] std::uint64_t get(std::size_t at) const noexcept {
        std::uint64_t word = 0;
        std::memcpy(&word, lines_.front().bytes + at, sizeof word);
        return word;
    }

    std::vector<line> lines_;
    std::size_t size_;
};

} // namespace bench
