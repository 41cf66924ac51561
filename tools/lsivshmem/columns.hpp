// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>
#include <ivshmem/diagnosis.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lsivshmem {

class pci_library;

/// A device with the result of diagnose().
struct listed_device {
    ivshmem::device_info info;
    ivshmem::diagnosis verdict;
};

/// The subject of one line of the table: a device, or one of its parts in a tree.
struct row {
    const listed_device& device;
    std::optional<std::size_t> bar; ///< this BAR of the device
    bool vectors = false;           ///< the device's vectors

    [[nodiscard]] bool is_device() const noexcept { return !bar && !vectors; }
};

/// The format of values.
struct style {
    bool bytes = false;           ///< sizes as plain numbers
    pci_library* names = nullptr; ///< not null if a column with names is shown
};

enum class value_type { text, integer, list };

struct column {
    const char* name;
    const char* help;
    value_type type;
    /// Returns the value; empty if it is unknown or does not apply. A list's items are separated by
    /// newlines.
    std::string (*value)(const row&, const style&);
};

[[nodiscard]] std::span<const column> all_columns();
/// Returns all names, as parse_columns() takes them.
[[nodiscard]] std::string column_names();
/// Parses NAME,NAME,... (any case).
/// @throws std::runtime_error for an unknown name.
[[nodiscard]] std::vector<const column*> parse_columns(const std::string& names);

} // namespace lsivshmem
