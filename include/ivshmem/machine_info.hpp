// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <string>

namespace ivshmem {

/// An IOMMU of the VM.
enum class iommu_kind {
    none,        ///< the firmware and the kernel show none
    intel,       ///< QEMU: -device intel-iommu
    amd,         ///< QEMU: -device amd-iommu
    virtio,      ///< QEMU: -device virtio-iommu-pci
    smmu,        ///< Arm's; QEMU: -machine virt,iommu=smmuv3
    unspecified, ///< of another kind
};

/// Whether the running kernel has a module.
enum class module_state {
    unknown, ///< the lists of modules cannot be read
    missing,
    installed, ///< modprobe can load it
    present,   ///< loaded, or built in
};

/// The facts about a machine that decide how its ivshmem devices can be used. An empty text means
/// that the fact could not be read.
struct machine_info {
    std::string architecture{};      ///< of the kernel: "x86_64", "aarch64"
    std::string model{};             ///< DMI: "Standard PC (Q35 + ICH9, 2009)"
    std::string kernel_parameters{}; ///< the kernel's command line
    iommu_kind iommu = iommu_kind::none;
    bool iommu_in_use = false; ///< the kernel has a driver for it
    std::string lockdown{};    ///< "none", "integrity", "confidentiality"
    module_state igb_uio = module_state::unknown;
    std::string igb_uio_mode{}; ///< its parameter intr_mode, if it is loaded
    module_state virtio_iommu = module_state::unknown;
    bool noiommu_allowed = false; ///< VFIO's enable_unsafe_noiommu_mode is on
    bool has_apt = true;          ///< Debian, or one of its derivatives
    bool read_only_sysfs = false; ///< as in most containers

    /// Whether a device gets its IOMMU group only when a driver first probes it, as on Arm.
    [[nodiscard]] bool groups_when_bound() const noexcept {
        return iommu_in_use && (architecture == "aarch64" || architecture.starts_with("arm"));
    }

    bool operator==(const machine_info&) const = default;
};

} // namespace ivshmem
