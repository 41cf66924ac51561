// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/mapping.hpp"
#include "discovery/sysfs.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ivshmem {

/// The maps of a UIO node by name (Linux, Documentation/driver-api/uio-howto.rst). A driver numbers
/// them without gaps, so that the number of a map depends on which others there are.
class uio_maps {
  public:
    struct map {
        std::string name;
        std::uint64_t size = 0;   ///< bytes
        std::uint64_t offset = 0; ///< of the first byte in its first page
        unsigned number = 0;
    };

    /// Reads the maps of a node from sysfs. @param node sys/bus/pci/devices/ADDRESS/uio/uioN
    uio_maps(const sysfs_dir& node, failure& f);

    /// Returns a map; null if there is none of that name.
    [[nodiscard]] const map* find(std::string_view name) const noexcept;
    /// Returns the names, for a message.
    [[nodiscard]] std::string names() const;

    /// Returns the whole pages of a map, for reading or for reading and writing. Empty on failure,
    /// with errno set.
    static mapping map_pages(const map& of, int node, int protection) noexcept;

  private:
    std::vector<map> maps_;
};

} // namespace ivshmem
