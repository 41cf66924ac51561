// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ivshmemctl {

/// Formats bytes as `hexdump -C` does.
class hex_dump {
  public:
    /// @param offset The offset at the beginning of the first line.
    /// @param every_line Whether lines that repeat the previous one are printed too.
    hex_dump(std::uint64_t offset, bool every_line) : offset_{offset}, every_line_{every_line} {}

    /// Takes any number of bytes and appends the lines that they complete.
    void add(std::span<const std::byte> bytes, std::string& text);
    /// Appends the rest: an incomplete line, and the offset after the last byte.
    void finish(std::string& text);

  private:
    static constexpr std::size_t width = 16;
    using line = std::array<std::byte, width>;

    void print_line(std::string& text) const;
    void take_line(std::string& text);

    std::uint64_t offset_; ///< of the first byte of line_
    bool every_line_;
    bool any_ = false;      ///< whether there was a line before
    bool squeezed_ = false; ///< whether the asterisk for the lines that repeat was printed
    std::size_t filled_ = 0;
    line line_{};
    line last_{};
};

} // namespace ivshmemctl
