// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ivshmem {

/// One directory of sysfs, or of a captured tree, whose content is never trusted.
///
/// A member that fails returns nothing and sets a failure whose message begins with the path of the
/// file and says what is wrong with it. A missing file fails with ENOENT.
class sysfs_dir {
  public:
    /// The sysfs attributes that are read here are much smaller than this many bytes.
    static constexpr std::size_t max_read = 65536;

    explicit sysfs_dir(std::string path) : path_{std::move(path)} {}

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string path(std::string_view name) const;
    [[nodiscard]] sysfs_dir dir(std::string_view name) const { return sysfs_dir{path(name)}; }
    [[nodiscard]] bool has(std::string_view name) const;

    /// Returns the names of the entries, unsorted, without "." and "..".
    std::optional<std::vector<std::string>> entries(failure& f) const;
    /// Returns the first `limit` bytes of a regular file.
    std::optional<std::string> bytes(std::string_view name, std::size_t limit, failure& f) const;
    /// Returns a whole file of printable text, without the final newline.
    std::optional<std::string> text(std::string_view name, failure& f) const;
    /// Returns the number in a file that holds one number and a newline: 0x and hexadecimal digits,
    /// or decimal digits.
    std::optional<std::uint64_t> number(std::string_view name, std::uint64_t max, failure& f) const;
    /// Returns the last component of a symbolic link's target.
    std::optional<std::string> link(std::string_view name, failure& f) const;

  private:
    std::string path_;
};

/// Flags in the file `resource`, linux/ioport.h: IORESOURCE_MEM and IORESOURCE_UNSET.
inline constexpr std::uint64_t resource_memory = 0x200;
inline constexpr std::uint64_t resource_unset = 0x20000000;

/// Returns whether a failure only means that the file is missing (ENOENT).
[[nodiscard]] bool is_absent(const failure& f) noexcept;

/// Parses a whole text as a number: 0x and hexadecimal digits, or decimal digits; no sign, no
/// space.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

/// Returns untrusted text for a message: in quotes, shortened, with non-printable bytes escaped.
[[nodiscard]] std::string in_quotes(std::string_view text);

} // namespace ivshmem
