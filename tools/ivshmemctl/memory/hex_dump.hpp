// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ivshmemctl {

/// Bytes as `hexdump -C` prints them.
class hex_dump {
  public:
    /// @param offset What the first line begins with.
    /// @param every_line Whether lines that repeat the one before are printed, too.
    hex_dump(std::uint64_t offset, bool every_line) : offset_{offset}, every_line_{every_line} {}

    /// Takes the next bytes, however many, and appends what lines they complete.
    void add(std::span<const std::byte> bytes, std::string& text);
    /// Appends the rest: an incomplete line, and the offset behind the last byte.
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
