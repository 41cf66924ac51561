// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/described_device.hpp"

#include <utility>

namespace ivshmem::capi {

described_device::described_device(device_info info)
    : info_{std::move(info)}, address_{to_string(info_.address)} {}

ivshmem_device_info described_device::in_c() const noexcept {
    ivshmem_device_info result{};
    const auto flag = [&](bool holds, ivshmem_device_flag which) {
        if (holds)
            result.flags |= static_cast<std::uint32_t>(which);
    };
    flag(info_.revision.has_value(), IVSHMEM_DEVICE_HAS_REVISION);
    flag(info_.vectors.has_value(), IVSHMEM_DEVICE_HAS_VECTORS);
    flag(info_.acrn_region.has_value(), IVSHMEM_DEVICE_HAS_REGION);
    flag(info_.iommu_group.has_value(), IVSHMEM_DEVICE_HAS_GROUP);
    flag(info_.numa_node.has_value(), IVSHMEM_DEVICE_HAS_NUMA);
    flag(info_.v2.has_value(), IVSHMEM_DEVICE_HAS_SECTIONS);
    flag(info_.intx, IVSHMEM_DEVICE_HAS_INTX);
    flag(info_.gone, IVSHMEM_DEVICE_IS_GONE);
    flag(info_.enabled, IVSHMEM_DEVICE_IS_ENABLED);
    flag(info_.noiommu, IVSHMEM_DEVICE_IS_NOIOMMU);
    const auto& node = info_.vfio_node ? info_.vfio_node : info_.uio_node;
    const auto backend = backend_for(info_);
    result.address = address_.c_str();
    result.driver = info_.driver.c_str();
    result.node = node ? node->path.c_str() : "";
    result.generation = info_.generation == device_generation::v2 ? 2 : 1;
    result.type = static_cast<int>(info_.type);
    result.backend = backend ? static_cast<int>(*backend) + 1 : IVSHMEM_BACKEND_NONE;
    result.vendor = info_.vendor;
    result.device = info_.device;
    result.subsystem_vendor = info_.subsystem_vendor;
    result.subsystem_device = info_.subsystem_device;
    result.class_code = info_.class_code;
    result.revision = info_.revision.value_or(0);
    result.vectors = info_.vectors.value_or(0);
    result.acrn_region = info_.acrn_region.value_or(0);
    result.iommu_group = info_.iommu_group.value_or(0);
    result.numa_node = info_.numa_node.value_or(0);
    result.memory_start = info_.bars[2].start;
    result.memory_size = info_.memory_size();
    if (info_.v2) {
        result.state_table_size = info_.v2->state_table;
        result.read_write_size = info_.v2->read_write;
        result.output_section_size = info_.v2->output;
    }
    result.problem_count = info_.problems.size();
    return result;
}

} // namespace ivshmem::capi
