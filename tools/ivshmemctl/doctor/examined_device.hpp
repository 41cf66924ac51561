// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>
#include <ivshmem/diagnosis.hpp>

#include <filesystem>
#include <string>

namespace ivshmemctl {

/// The device that doctor examines, and the machine it belongs to.
struct examined_device {
    ivshmem::device_info info;
    ivshmem::diagnosis verdict; ///< the library's
    std::filesystem::path root;

    [[nodiscard]] std::string name() const { return to_string(info.address); }
    [[nodiscard]] bool is_plain() const { return info.type == ivshmem::device_type::plain; }
    /// Whether this is a tree that was copied from a machine, so there is no device to open.
    [[nodiscard]] bool is_captured() const { return root != "/"; }
    [[nodiscard]] bool is_vfio() const { return info.driver == "vfio-pci"; }
    /// Whether uio_pci_generic is bound and delivers interrupts: ACRN's, or INTx.
    [[nodiscard]] bool is_generic_with_interrupts() const {
        return info.driver == "uio_pci_generic" && !is_plain() && verdict.driver_remedy.empty();
    }
};

} // namespace ivshmemctl
