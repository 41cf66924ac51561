// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include <pci/pci.h>
}

namespace lsivshmem {

struct free_access {
    void operator()(pci_access* access) const noexcept { pci_cleanup(access); }
};
using access_ptr = std::unique_ptr<pci_access, free_access>;

struct free_device {
    void operator()(pci_dev* device) const noexcept { pci_free_dev(device); }
};
using device_ptr = std::unique_ptr<pci_dev, free_device>;

/// libpci on the sysfs under a root: the configuration space, and names from pci.ids, which is
/// loaded for the first name.
class pci_library {
  public:
    explicit pci_library(const std::string& sysroot);

    /// Returns "Red Hat, Inc. Inter-VM shared memory"; numbers if pci.ids lacks them.
    [[nodiscard]] std::string device_name(const ivshmem::device_info& device);
    [[nodiscard]] std::string subsystem_name(const ivshmem::device_info& device);
    [[nodiscard]] std::string class_name(const ivshmem::device_info& device);

    /// @return The device; empty if it has no readable file `config`.
    [[nodiscard]] device_ptr open(const ivshmem::pci_address& address);

  private:
    access_ptr access_;
    std::string path_;
};

} // namespace lsivshmem
