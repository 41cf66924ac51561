// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c/api.hpp"

#include <ivshmem/device_info.hpp>
#include <ivshmem/diagnosis.hpp>

#include <optional>
#include <string>

namespace ivshmem::capi {

/// The facts about a PCI device, and the texts that a struct in C lends from them.
class described_device {
  public:
    explicit described_device(device_info info);

    [[nodiscard]] const device_info& info() const noexcept { return info_; }
    /// Valid as long as this object.
    [[nodiscard]] ivshmem_device_info in_c() const noexcept;

  private:
    device_info info_;
    std::string address_;
};

} // namespace ivshmem::capi
