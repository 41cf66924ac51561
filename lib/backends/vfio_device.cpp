// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/vfio_device.hpp"

#include <cstring>
#include <vector>

#include <endian.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

namespace ivshmem {

vfio_device::vfio_device(std::shared_ptr<vfio_group> group, const std::string& name, failure& f)
    : group_{std::move(group)}, name_{name}, fd_{group_->open_device(name, f)} {}

vfio_device::vfio_device(std::shared_ptr<vfio_group> group, const std::string& name, unique_fd open)
    : group_{std::move(group)}, name_{name}, fd_{std::move(open)} {
    group_->adopt_device(name);
}

std::optional<vfio_device> vfio_device::open_to_share(const device_info& info,
                                                      const std::filesystem::path& root,
                                                      vfio_descriptors kept, failure& f) {
    const std::string name = to_string(info.address);
    const bool known = static_cast<bool>(kept);
    auto group = known
                     ? vfio_group::adopt(info, std::move(kept.container), std::move(kept.group), f)
                     : vfio_group::open(info, root, f);
    if (f)
        return std::nullopt;
    vfio_device device =
        known ? vfio_device{group, name, std::move(kept.device)} : vfio_device{group, name, f};
    return f ? std::nullopt : std::optional{std::move(device)};
}

vfio_device::~vfio_device() {
    if (!fd_)
        return;
    fd_.reset();
    group_->device_closed(name_);
}

vfio_device::region vfio_device::region_info(std::uint32_t index, failure& f) const {
    vfio_region_info info{};
    info.argsz = sizeof info;
    info.index = index;
    if (::ioctl(fd_.get(), VFIO_DEVICE_GET_REGION_INFO, &info) != 0) {
        f.set_errno(errno, "{}: VFIO_DEVICE_GET_REGION_INFO {}", name_, index);
        return {};
    }
    return {info.offset, info.size, (info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0};
}

std::uint32_t vfio_device::irq_count(std::uint32_t index, failure& f) const {
    vfio_irq_info info{};
    info.argsz = sizeof info;
    info.index = index;
    if (::ioctl(fd_.get(), VFIO_DEVICE_GET_IRQ_INFO, &info) != 0) {
        f.set_errno(errno, "{}: VFIO_DEVICE_GET_IRQ_INFO {}", name_, index);
        return 0;
    }
    return info.count;
}

pci_config vfio_device::read_config(failure& f) const {
    const region config = region_info(VFIO_PCI_CONFIG_REGION_INDEX, f);
    std::string bytes(f ? 0 : pci_config::size, '\0');
    if (f)
        return pci_config{bytes};
    const auto got = retry_eintr([&] {
        return ::pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(config.offset));
    });
    if (got < 0)
        f.set_errno(errno, "{}: reading the configuration space", name_);
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return pci_config{std::move(bytes)};
}

void vfio_device::write_config(std::uint8_t offset, std::uint8_t value, failure& f) const {
    const region config = region_info(VFIO_PCI_CONFIG_REGION_INDEX, f);
    if (f)
        return;
    const auto at = static_cast<off_t>(config.offset + offset);
    if (retry_eintr([&] { return ::pwrite(fd_.get(), &value, sizeof value, at); }) != sizeof value)
        f.set_errno(errno, "{}: writing byte {:#x} of the configuration space", name_, offset);
}

void vfio_device::enable_bus_master(failure& f) const {
    const region config = region_info(VFIO_PCI_CONFIG_REGION_INDEX, f);
    if (f)
        return;
    const auto at = static_cast<off_t>(config.offset + PCI_COMMAND);
    std::uint16_t command = 0;
    if (retry_eintr([&] { return ::pread(fd_.get(), &command, sizeof command, at); }) !=
        sizeof command)
        return f.set_errno(errno, "{}: reading the PCI command register", name_);
    command =
        static_cast<std::uint16_t>(command | htole16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
    if (retry_eintr([&] { return ::pwrite(fd_.get(), &command, sizeof command, at); }) !=
        sizeof command)
        f.set_errno(errno, "{}: writing the PCI command register", name_);
}

void vfio_device::signal_eventfds(std::uint32_t index, std::span<const int> eventfds,
                                  failure& f) const {
    signal(index, 0, eventfds, f);
}

void vfio_device::signal_eventfd(std::uint32_t index, std::uint32_t interrupt, int eventfd,
                                 failure& f) const {
    signal(index, interrupt, {&eventfd, 1}, f);
}

void vfio_device::signal(std::uint32_t index, std::uint32_t first, std::span<const int> eventfds,
                         failure& f) const {
    std::vector<std::byte> buffer(sizeof(vfio_irq_set) + eventfds.size_bytes());
    vfio_irq_set header{};
    header.argsz = static_cast<std::uint32_t>(buffer.size());
    header.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    header.index = index;
    header.start = first;
    header.count = static_cast<std::uint32_t>(eventfds.size());
    std::memcpy(buffer.data(), &header, sizeof header);
    std::memcpy(buffer.data() + sizeof header, eventfds.data(), eventfds.size_bytes());
    const int result = ::ioctl(fd_.get(), VFIO_DEVICE_SET_IRQS, buffer.data());
    if (result < 0)
        f.set_errno(errno, "{}: VFIO_DEVICE_SET_IRQS {}, {} vectors", name_, index,
                    eventfds.size());
    else if (result > 0) // not a success: the number of available vectors
        f.set(std::make_error_code(std::errc::no_space_on_device),
              formatted("{}: the kernel can give {} of {} interrupt vectors", name_, result,
                        eventfds.size()));
}

void vfio_device::unmask_intx(failure& f) const {
    vfio_irq_set unmask{};
    unmask.argsz = sizeof unmask;
    unmask.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
    unmask.index = VFIO_PCI_INTX_IRQ_INDEX;
    unmask.count = 1;
    if (::ioctl(fd_.get(), VFIO_DEVICE_SET_IRQS, &unmask) != 0)
        f.set_errno(errno, "{}: VFIO_DEVICE_SET_IRQS: unmasking INTx", name_);
}

} // namespace ivshmem
