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

/// A device with what diagnose() says of it.
struct listed_device {
    ivshmem::device_info info;
    ivshmem::diagnosis verdict;
};

/// What one line of the table is about: a device, or in a tree one of its parts.
struct row {
    const listed_device& device;
    std::optional<std::size_t> bar; ///< this BAR of the device
    bool vectors = false;           ///< the device's vectors

    [[nodiscard]] bool is_device() const noexcept { return !bar && !vectors; }
};

/// How values are written.
struct style {
    bool bytes = false;           ///< sizes as plain numbers
    pci_library* names = nullptr; ///< present where a column with names is shown
};

enum class value_type { text, integer, list };

struct column {
    const char* name;
    const char* help;
    value_type type;
    /// Empty where nothing is known or to be said; the items of a list are separated by newlines.
    std::string (*value)(const row&, const style&);
};

[[nodiscard]] std::span<const column> all_columns();
/// All names, as parse_columns() takes them.
[[nodiscard]] std::string column_names();
/// Parses NAME,NAME,... (any case). @throws std::runtime_error for a name that is none.
[[nodiscard]] std::vector<const column*> parse_columns(const std::string& names);

} // namespace lsivshmem
