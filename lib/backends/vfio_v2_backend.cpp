// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/vfio_v2_backend.hpp"

#include "backends/bar2.hpp"
#include "backends/sysfs_registers.hpp"
#include "backends/vfio_registers.hpp"
#include "base/wait_fds.hpp"
#include "discovery/advice.hpp"

#include <utility>

#include <linux/vfio.h>

namespace ivshmem {

vfio_v2_backend::vfio_v2_backend(vfio_device device, const device_info& info, use how)
    : v2_backend{backend_kind::vfio, info, how}, device_{std::move(device)} {
    facts_.description =
        formatted("vfio, {}IOMMU group {}", info.noiommu ? "no-" : "", *info.iommu_group);
}

std::unique_ptr<backend> vfio_v2_backend::open(const device_info& info, const open_options& options,
                                               failure& f) {
    auto group = vfio_group::open(info, options.root, f);
    if (f)
        return nullptr;
    vfio_device device{group, to_string(info.address), f};
    if (f)
        return nullptr;
    std::unique_ptr<vfio_v2_backend> opened{
        new vfio_v2_backend{std::move(device), info, use::alone}};
    opened->device_.enable_bus_master(f); // and memory, which the registers need
    if (!f)
        opened->map_registers(f);
    if (!f)
        opened->read_capability(f);
    if (!f)
        opened->check_sections(f);
    if (!f)
        opened->map_memory(options, f);
    if (!f)
        opened->set_up_interrupts(f);
    if (f)
        return nullptr;
    return opened;
}

std::unique_ptr<vfio_v2_backend> vfio_v2_backend::open_to_share(const device_info& info,
                                                                const open_options& options,
                                                                vfio_descriptors kept, failure& f) {
    const bool known = static_cast<bool>(kept);
    auto device = vfio_device::open_to_share(info, options.root, std::move(kept), f);
    if (f)
        return nullptr;
    std::unique_ptr<vfio_v2_backend> opened{
        new vfio_v2_backend{std::move(*device), info, use::shared}};
    opened->device_.enable_bus_master(f);
    const auto found =
        f ? v2_registers{} : map_sysfs_registers<v2_registers>(info, options, opened->bar0_, f);
    if (!f)
        opened->take_registers(found, f);
    if (!f && !known) // else a program may have the state
        opened->silence(f);
    if (!f)
        opened->read_capability(f);
    if (!f)
        opened->check_sections(f);
    if (!f)
        opened->learn_cache_mode(options, f);
    if (!f)
        opened->set_up_interrupts(f);
    if (f)
        return nullptr;
    return opened;
}

void vfio_v2_backend::map_registers(failure& f) {
    const auto found = map_registers_of<v2_registers>(device_, facts_, bar0_, f);
    if (!f)
        take_registers(found, f);
}

/// From the device itself, because sysfs shows it to CAP_SYS_ADMIN only.
void vfio_v2_backend::read_capability(failure& f) {
    const auto config = device_.read_config(f);
    if (f)
        return;
    if (const auto found = read_v2_capability(config, facts_.name, f))
        capability_ = *found;
    else if (!f)
        f.set(errc::sections_invalid, "{}: its capabilities cannot be read", facts_.name);
    facts_.info->v2 = capability_.layout;
}

void vfio_v2_backend::check_sections(failure& f) const {
    const auto region = device_.region_info(VFIO_PCI_BAR2_REGION_INDEX, f);
    if (f)
        return;
    const std::uint32_t max_peers = facts_.v2->max_peers;
    const std::uint64_t size = check_v2_sizes(facts_.name, capability_.layout, max_peers, f);
    if (f)
        return;
    if (size > region.size)
        f.set(errc::sections_invalid,
              "{}: the sections of {} peers take {:#x} bytes, but BAR2 has {:#x}; look at the "
              "hypervisor's configuration",
              facts_.name, max_peers, size, region.size);
}

void vfio_v2_backend::map_memory(const open_options& options, failure& f) {
    const auto region = device_.region_info(VFIO_PCI_BAR2_REGION_INDEX, f);
    if (f)
        return;
    const auto parts = v2_parts(capability_.layout, facts_.v2->max_peers, facts_.id);
    auto bar2 = map_bar2_parts(*facts_.info, options, parts,
                               vfio_bar2{device_.fd(), region.offset, region.can_mmap}, f);
    if (f)
        return;
    memory_.push_back(std::move(bar2.map));
    for (mapping& other : bar2.more)
        memory_.push_back(std::move(other));
    std::vector<const mapping*> maps;
    for (const mapping& map : memory_)
        maps.push_back(&map);
    take_sections(v2_sections_in(capability_.layout, maps), options.part, bar2.mode,
                  std::move(bar2.reason), f);
}

void vfio_v2_backend::learn_cache_mode(const open_options& options, failure& f) {
    const bar2_part some{*options.part, PROT_READ};
    auto bar2 = map_bar2_parts(*facts_.info, options, {&some, 1}, std::nullopt, f);
    memory_.push_back(std::move(bar2.map));
    facts_.memory = {{}, bar2.mode, std::move(bar2.reason)};
}

void vfio_v2_backend::set_up_interrupts(failure& f) {
    facts_.capabilities.removal_events = true;
    removal_and_errors_.set_up(device_, facts_.name, f);
    const std::uint32_t vectors = f ? 0 : device_.irq_count(VFIO_PCI_MSIX_IRQ_INDEX, f);
    if (f)
        return;
    facts_.vectors = vectors == 0 ? 1 : vectors;
    if (vectors == 0)
        facts_.no_interrupts =
            "the device has INTx only, and its status register never says that it interrupts (the "
            "specification wants it so), so vfio-pci takes the interrupt for that of another "
            "device; give it MSI-X, or bind uio_ivshmem";
    one_shot_ = !make_continuous(f) && !f;
    std::vector<int> fds;
    for (std::uint32_t vector = 0; !f && vector < vectors; ++vector) {
        // If each interrupt switches off all vectors, one that waits for another vector would never
        // notice: then all are one.
        if (vector == 0 || !one_shot_)
            eventfds_.push_back(make_eventfd(facts_.name, f));
        fds.push_back(eventfds_.back().get());
    }
    if (one_shot_ && vectors > 1)
        facts_.no_interrupts =
            "its interrupts are one-shot, and the device does not let that be "
            "switched off: rings of all vectors are reported as those of vector 0";
    if (!f && vectors != 0) {
        failure refused;
        device_.signal_eventfds(VFIO_PCI_MSIX_IRQ_INDEX, fds, refused);
        const auto problem = refused ? msi_problem(*facts_.info) : std::string{};
        if (problem.empty()) {
            f = std::move(refused);
        } else { // The kernel was told to use no MSI-X. Memory, states and ring need none.
            facts_.no_interrupts = formatted("{}; try: {}", problem, msi_remedy(*facts_.info));
            fds.clear();
        }
    }
    if (f)
        return;
    fds.resize(std::min(fds.size(), eventfds_.size()));
    start(std::move(fds), removal_and_errors_.removal_fd(), removal_and_errors_.fds(), f);
}

/// As Zephyr does (drivers/virtualization/virt_ivshmem.c).
bool vfio_v2_backend::make_continuous(failure& f) {
    const auto at =
        static_cast<std::uint8_t>(capability_.offset + v2_capability::privileged_control);
    device_.write_config(at, 0, f);
    if (f)
        return false;
    const auto now = device_.read_config(f).u8(at);
    return now && (*now & v2_capability::one_shot) == 0;
}

bool vfio_v2_backend::direct(std::uint32_t vector, int eventfd, failure& f) {
    if (one_shot_) // drain() must switch them on again
        return false;
    device_.signal_eventfd(VFIO_PCI_MSIX_IRQ_INDEX, vector,
                           eventfd < 0 ? eventfds_[vector].get() : eventfd, f);
    return !f;
}

std::uint64_t vfio_v2_backend::drain(failure& /*f*/) {
    const std::uint64_t count = take_eventfd(eventfds_.front().get());
    // Also if nothing came: an interrupt that was masked, and so lost, has switched them off too.
    if (one_shot_)
        registers_.write(v2_registers::int_control, 1);
    return count;
}

} // namespace ivshmem
