// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c/api.hpp"
#include "c/described_device.hpp"
#include "c/handles.hpp"

#include <ivshmem/device.hpp>

#include <memory>
#include <optional>

namespace ivshmem::capi {

/// An open device, which its slots and claims share: it stays open for as long as any of them.
struct device_object {
    using handle_type = ivshmem_device;
    static constexpr handle_kind kind = handle_kind::device;

    std::shared_ptr<device> opened;
    std::optional<described_device> described{}; ///< of a PCI device
};

} // namespace ivshmem::capi
