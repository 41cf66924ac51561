// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/vfio_backend.hpp"

#include "backends/bar2.hpp"
#include "backends/other_registers.hpp"
#include "backends/sysfs_registers.hpp"
#include "backends/vfio_registers.hpp"
#include "base/wait_fds.hpp"
#include "discovery/advice.hpp"

#include <linux/vfio.h>

namespace ivshmem {

std::unique_ptr<backend> vfio_backend::open(const device_info& info, const open_options& options,
                                            failure& f) {
    auto group = vfio_group::open(info, options.root, f);
    if (f)
        return nullptr;
    vfio_device device{group, to_string(info.address), f};
    return f ? nullptr : set_up(std::move(device), info, options, bars::any_way, f);
}

std::unique_ptr<vfio_backend> vfio_backend::open_to_share(const device_info& info,
                                                          const open_options& options,
                                                          vfio_descriptors kept, failure& f) {
    auto device = vfio_device::open_to_share(info, options.root, std::move(kept), f);
    return f ? nullptr : set_up(std::move(*device), info, options, bars::sysfs_only, f);
}

std::unique_ptr<vfio_backend> vfio_backend::set_up(vfio_device device, const device_info& info,
                                                   const open_options& options, bars through,
                                                   failure& f) {
    const std::string name = to_string(info.address);
    std::unique_ptr<vfio_backend> opened{new vfio_backend{std::move(device), through}};
    auto& facts = opened->facts_;
    facts.kind = backend_kind::vfio;
    facts.name = name;
    facts.description =
        formatted("vfio, {}IOMMU group {}", info.noiommu ? "no-" : "", *info.iommu_group);
    facts.info = info;

    opened->count_vectors(f);
    if (!f)
        opened->device_.enable_bus_master(f);
    if (!f)
        opened->map_registers(options, f);
    if (!f)
        refuse_other_registers(opened->registers_, info, f);
    if (!f)
        facts.id =
            opened->registers_.wait_for_id(name, info.revision.value_or(1), options.timeout, f);
    if (!f)
        opened->map_memory(options, f);
    if (!f)
        opened->set_up_events(f);
    if (!f)
        opened->set_up_vectors(f);
    if (f)
        return nullptr;
    return opened;
}

void vfio_backend::map_registers(const open_options& options, failure& f) {
    registers_ = bars_ == bars::any_way
                     ? map_registers_of<registers>(device_, facts_, bar0_, f)
                     : map_sysfs_registers<registers>(*facts_.info, options, bar0_, f);
    if (f)
        return;
    // Only a device with MSI-X, or of revision 0, has a doorbell (QEMU, hw/misc/ivshmem-pci.c);
    // IVPosition 0 means nothing.
    facts_.capabilities.ring = facts_.vectors > 0;
    if (facts_.capabilities.ring)
        facts_.doorbell = registers_.mapped_doorbell();
}

void vfio_backend::map_memory(const open_options& options, failure& f) {
    const auto region = device_.region_info(VFIO_PCI_BAR2_REGION_INDEX, f);
    if (f)
        return;
    const vfio_bar2 through_vfio{device_.fd(), region.offset, region.can_mmap};
    auto bar2 = map_bar2(*facts_.info, options,
                         bars_ == bars::any_way ? std::optional{through_vfio} : std::nullopt, f);
    if (f)
        return;
    bar2_ = std::move(bar2.map);
    facts_.memory = {bar2_.bytes(), bar2.mode, std::move(bar2.reason)};
}

void vfio_backend::set_up_events(failure& f) {
    facts_.capabilities.removal_events = true;
    removal_and_errors_.set_up(device_, facts_.name, f);
    if (!f)
        events_ = make_epoll(facts_.name, removal_and_errors_.fds(), f);
}

void vfio_backend::count_vectors(failure& f) {
    facts_.vectors = device_.irq_count(VFIO_PCI_MSIX_IRQ_INDEX, f);
    if (f || facts_.vectors != 0 || facts_.info->revision != 0)
        return;
    // Rings on all vectors arrive as one.
    intx_ = device_.irq_count(VFIO_PCI_INTX_IRQ_INDEX, f) != 0;
    facts_.vectors = intx_ ? 1 : 0;
    facts_.info->intx = intx_; // an ordinary user cannot read the capabilities
}

void vfio_backend::set_up_vectors(failure& f) {
    if (facts_.vectors == 0)
        return;
    std::vector<int> eventfds;
    for (std::uint32_t i = 0; i < facts_.vectors; ++i) {
        unique_fd eventfd = make_eventfd(facts_.name, f);
        if (f)
            return;
        eventfds.push_back(eventfd.get());
        vectors_.push_back(std::move(eventfd));
    }
    failure refused;
    device_.signal_eventfds(intx_ ? VFIO_PCI_INTX_IRQ_INDEX : VFIO_PCI_MSIX_IRQ_INDEX, eventfds,
                            refused);
    if (intx_ && !refused)
        registers_.enable_intx();
    const auto problem = refused && !intx_ ? msi_problem(*facts_.info) : std::string{};
    if (problem.empty()) {
        facts_.capabilities.interrupts = facts_.vectors;
        f = std::move(refused);
        return;
    }
    // The kernel was told to use no MSI-X. Memory and ring need none, so the device stays open.
    vectors_.clear();
    facts_.no_interrupts = formatted("{}; try: {}", problem, msi_remedy(*facts_.info));
}

void vfio_backend::ring(std::uint16_t peer, std::uint16_t vector, failure& f) {
    if (!registers_.write(registers::doorbell, std::uint32_t{peer} << 16U | std::uint32_t{vector}))
        f.set_errno(errno, "{}: writing the register Doorbell", facts_.name);
}

int vfio_backend::rings_fd(std::uint32_t vector) const {
    return vectors_[vector].get();
}

std::uint64_t vfio_backend::take(std::uint32_t vector, failure& f) {
    const std::uint64_t count = take_eventfd(vectors_[vector].get());
    if (count != 0 && intx_) {
        registers_.acknowledge_intx();
        device_.unmask_intx(f);
    }
    if (count == 0)
        removal_and_errors_.check_removal(f);
    return count;
}

bool vfio_backend::direct(std::uint32_t vector, int eventfd, failure& f) {
    if (intx_) // must be acknowledged here
        return false;
    device_.signal_eventfd(VFIO_PCI_MSIX_IRQ_INDEX, vector,
                           eventfd < 0 ? vectors_[vector].get() : eventfd, f);
    return !f;
}

std::optional<event> vfio_backend::next_event(failure& f) {
    return removal_and_errors_.next(f);
}

} // namespace ivshmem
