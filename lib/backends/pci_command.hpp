// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"

#include <cstdint>
#include <string>

namespace ivshmem {

/// The command register of a device (PCI 3.0, 6.2.2), through the file `config` in sysfs, which
/// everybody may read and root may write.
class pci_command {
  public:
    explicit pci_command(const std::string& config_file);

    /// Sets and clears bits (PCI_COMMAND_*), unless they are so already.
    /// @return 0, or the errno of open(), pread() or pwrite().
    [[nodiscard]] int change(std::uint16_t set, std::uint16_t clear) const;
    /// Returns whether bits can be changed: 0, or the errno of open().
    [[nodiscard]] int read_only() const noexcept { return read_only_; }

  private:
    unique_fd fd_;
    int read_only_ = 0;
};

} // namespace ivshmem
