// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace ivshmem {

/// Looks for words on the kernel's command line (Linux,
/// Documentation/admin-guide/kernel-parameters.txt).
class kernel_parameters {
  public:
    explicit kernel_parameters(std::string_view line) : line_{line} {}

    /// Returns the word "name=a,value,b" or "value", in which the value is one of a list with
    /// commas; empty if there is none.
    [[nodiscard]] std::string find(std::string_view name, std::string_view value) const;

    struct setting {
        std::string_view name; ///< empty: the value is a word of its own
        std::string_view value;
    };
    /// Returns those of the settings that are there, as the line has them, for a sentence.
    [[nodiscard]] std::string find(std::initializer_list<setting> settings) const;

  private:
    std::string_view line_;
};

/// Returns the advice to change the kernel's command line.
/// @param remove, add The words; either may be empty, not both.
[[nodiscard]] std::string change_parameters(std::string_view remove, std::string_view add);

} // namespace ivshmem
