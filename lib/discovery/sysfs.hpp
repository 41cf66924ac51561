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
/// Every member that can fail returns nothing then, and sets a failure whose message begins with
/// the path of the file and says what is wrong with it. What simply is not there fails with ENOENT.
class sysfs_dir {
  public:
    /// No attribute of sysfs that is read here comes near this many bytes.
    static constexpr std::size_t max_read = 65536;

    explicit sysfs_dir(std::string path) : path_{std::move(path)} {}

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::string path(std::string_view name) const;
    [[nodiscard]] sysfs_dir dir(std::string_view name) const { return sysfs_dir{path(name)}; }
    [[nodiscard]] bool has(std::string_view name) const;

    /// The names of the entries, unsorted, "." and ".." left out.
    std::optional<std::vector<std::string>> entries(failure& f) const;
    /// The first `limit` bytes of a regular file, as they are.
    std::optional<std::string> bytes(std::string_view name, std::size_t limit, failure& f) const;
    /// A file of printable text, whole, without the newline that ends it.
    std::optional<std::string> text(std::string_view name, failure& f) const;
    /// A file that holds one number and a newline: 0x and hexadecimal digits, or decimal digits.
    std::optional<std::uint64_t> number(std::string_view name, std::uint64_t max, failure& f) const;
    /// The last component of a symbolic link's target.
    std::optional<std::string> link(std::string_view name, failure& f) const;

  private:
    std::string path_;
};

/// Flags in the file `resource`, linux/ioport.h: IORESOURCE_MEM and IORESOURCE_UNSET.
inline constexpr std::uint64_t resource_memory = 0x200;
inline constexpr std::uint64_t resource_unset = 0x20000000;

/// Whether a failure only says that the file is not there.
[[nodiscard]] bool is_absent(const failure& f) noexcept;

/// A whole text as a number: 0x and hexadecimal digits, or decimal digits; no sign, no space.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

/// A piece of untrusted text for a message: in quotes, cut short, non-printable bytes escaped.
[[nodiscard]] std::string in_quotes(std::string_view text);

} // namespace ivshmem
