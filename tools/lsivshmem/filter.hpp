// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>

#include <string>

extern "C" {
#include <pci/pci.h>
}

namespace lsivshmem {

/// The filters -s and -d of lspci, parsed by libpci.
class filter {
  public:
    /// @param slot,id Empty for any.
    /// @throws std::runtime_error that says what is wrong.
    filter(const std::string& slot, const std::string& id);

    [[nodiscard]] bool matches(const ivshmem::device_info& device) const;

  private:
    pci_filter filter_{};
};

} // namespace lsivshmem
