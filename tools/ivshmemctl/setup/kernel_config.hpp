// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace ivshmemctl {

/// The configuration of the running kernel.
class kernel_config {
  public:
    /// Reads ROOT/boot/config-RELEASE, or else ROOT/proc/config.gz.
    explicit kernel_config(const std::filesystem::path& root);

    [[nodiscard]] bool known() const noexcept { return !text_.empty(); }
    /// Returns the path it was read from.
    [[nodiscard]] const std::string& source() const noexcept { return source_; }
    /// Returns the value of CONFIG_NAME: "y", "m", a number or a text; "n" if it is not set.
    [[nodiscard]] std::string value(std::string_view name) const;
    [[nodiscard]] bool has(std::string_view name) const { return value(name) != "n"; }

  private:
    std::string source_;
    std::string text_;
};

} // namespace ivshmemctl
