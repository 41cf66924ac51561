// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/device_reader.hpp"

#include "discovery/v2_capability.hpp"

#include <array>
#include <bit>
#include <limits>

namespace ivshmem {
namespace {

constexpr std::uint16_t vendor_intel = 0x8086; // ACRN's subsystem vendor

} // namespace

device_reader::device_reader(const std::string& prefix, const sysfs_dir& dir,
                             const pci_address& address, device_generation generation)
    : prefix_{prefix}, dir_{dir} {
    info_.address = address;
    info_.generation = generation;
    info_.vendor = generation == device_generation::v1 ? vendor_v1 : vendor_v2;
    info_.device = generation == device_generation::v1 ? device_v1 : device_v2;
}

device_info device_reader::read() && {
    read_ids();
    read_bars();
    read_config();
    read_driver();
    read_placement();
    read_group();
    read_nodes();
    return std::move(info_);
}

void device_reader::note(const failure& f, if_absent rule) {
    if (f && (rule == if_absent::report || !is_absent(f)))
        note(f.message());
}

std::optional<std::uint64_t> device_reader::number(std::string_view name, std::uint64_t max,
                                                   if_absent rule) {
    failure f;
    const auto value = dir_.number(name, max, f);
    note(f, rule);
    return value;
}

void device_reader::read_ids() {
    if (const auto value = number("class", 0xffffff, if_absent::report))
        info_.class_code = static_cast<std::uint32_t>(*value);
    if (const auto value = number("revision", 0xff, if_absent::report))
        info_.revision = static_cast<std::uint8_t>(*value);
    const auto vendor = number("subsystem_vendor", 0xffff, if_absent::report);
    const auto device = number("subsystem_device", 0xffff, if_absent::report);
    info_.subsystem_vendor = static_cast<std::uint16_t>(vendor.value_or(0));
    info_.subsystem_device = static_cast<std::uint16_t>(device.value_or(0));
    // ACRN, hypervisor/dm/vpci/ivshmem.c: the subsystem id is the id of the memory region.
    if (info_.generation == device_generation::v1 && vendor == vendor_intel && device)
        info_.acrn_region = info_.subsystem_device;
}

void device_reader::read_bars() {
    failure f;
    const auto content = dir_.text("resource", f);
    note(f);
    if (!content)
        return;
    std::string_view rest = *content;
    for (std::size_t index = 0; index < info_.bars.size(); ++index) {
        if (rest.empty()) {
            note(formatted("{}: ends after {} of {} BARs", dir_.path("resource"), index,
                           info_.bars.size()));
            return;
        }
        const auto end = rest.find('\n');
        read_bar(index, rest.substr(0, end));
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
}

/// Reads three numbers: the first byte, the last byte, the flags; all 0 if there is no such BAR.
void device_reader::read_bar(std::size_t index, std::string_view line) {
    const auto bad = [&](std::string_view what) {
        note(formatted("{}: BAR {}: {}: {}", dir_.path("resource"), index, in_quotes(line), what));
    };
    std::array<std::uint64_t, 3> field{};
    auto rest = line;
    for (std::size_t i = 0; i < field.size(); ++i) {
        const bool last = i + 1 == field.size();
        const auto space = rest.find(' ');
        const auto value = parse_number(rest.substr(0, space));
        if (!value || (space == std::string_view::npos) != last)
            return bad("three numbers are expected");
        field.at(i) = *value;
        rest.remove_prefix(last ? rest.size() : space + 1);
    }
    const auto [start, end, flags] = field;
    if (start == 0 && end == 0) {
        if ((flags & resource_unset) != 0)
            unplaced(index, 0, flags);
        else
            absent_.at(index) = true;
        return;
    }
    if (end < start)
        return bad("ends before it starts");
    if (start == 0 && end == std::numeric_limits<std::uint64_t>::max())
        return bad("spans all addresses");
    const auto size = end - start + 1;
    // PCI 3.0, 6.2.5.1: a BAR decodes a power of two.
    if (!std::has_single_bit(size))
        return bad("its size is not a power of two");
    if ((flags & resource_memory) != 0 && (flags & resource_unset) != 0)
        return unplaced(index, size, flags);
    info_.bars.at(index) = {start, size, flags};
}

void device_reader::unplaced(std::size_t index, std::uint64_t size, std::uint64_t flags) {
    info_.bars.at(index) = {0, size, flags | resource_unset};
    note(formatted("{}: BAR {}: the firmware or the kernel gave it no address",
                   dir_.path("resource"), index));
}

/// Until Linux 6.15 the kernel forgets a BAR for which it finds no place, and `resource` shows
/// zeros (drivers/pci/setup-bus.c, reset_resource()); the BAR itself still shows its type.
void device_reader::read_lost_bars(const pci_config& config) {
    constexpr std::size_t first_bar = 0x10; // PCI 3.0, 6.2.5
    constexpr std::uint32_t is_64bit = 0x4;
    constexpr std::uint32_t type_bits = 0xf;
    for (std::size_t index = 0; index < info_.bars.size(); ++index) {
        const auto value = config.u32(first_bar + 4 * index).value_or(0);
        if (value != 0 && absent_.at(index))
            unplaced(index, 0, resource_memory | (value & type_bits));
        if ((value & is_64bit) != 0 && (value & 1U) == 0)
            ++index; // the next one holds the upper half of the address
    }
}

void device_reader::read_config() {
    failure f;
    const auto file = dir_.path("config");
    auto content = dir_.bytes("config", pci_config::size, f);
    note(f);
    if (!content)
        return;
    const pci_config config{std::move(*content)};
    if (config.readable() < pci_config::header_size)
        return note(
            formatted("{}: ends after {} bytes, inside the header", file, config.readable()));
    info_.gone = config.vendor() == 0xffff;
    if (info_.gone)
        return note(file + ": reads as all ones: the device is not there any more");
    if (config.vendor() != info_.vendor || config.device() != info_.device)
        return note(formatted("{}: is that of another device, {:04x}:{:04x}", file,
                              *config.vendor(), *config.device()));

    read_lost_bars(config);
    read_msix(config);
    if (info_.generation == device_generation::v2)
        read_v2(config);
}

void device_reader::read_msix(const pci_config& config) {
    using answer = pci_config::found::answer;
    failure f;
    const auto file = dir_.path("config");
    const auto msix = config.find_capability(pci_config::cap_msix, file, f);
    note(f);
    if (msix.is == answer::present) {
        info_.type = device_type::doorbell;
        info_.vectors = config.msix_vectors(msix.offset);
        if (!info_.vectors)
            note(file + ": ends inside the MSI-X capability");
    } else if (msix.is == answer::absent) {
        // Every v2 device has a doorbell, and INTx if it has no MSI-X. The doorbell of a v1 device
        // needs MSI-X, except on revision 0.
        const bool v1 = info_.generation == device_generation::v1;
        info_.intx = v1 && info_.revision == 0 && config.interrupt_pin() != 0;
        info_.type = v1 && !info_.intx ? device_type::plain : device_type::doorbell;
        if (info_.intx)
            info_.vectors = 1;
    } else if (!f) {
        note(formatted("{}: only {} of {} bytes can be read {}, so whether the device has MSI-X "
                       "is unknown; run as root to know",
                       file, config.readable(), pci_config::size, without_the_right));
    }
}

void device_reader::read_v2(const pci_config& config) {
    failure f;
    const auto capability = read_v2_capability(config, dir_.path("config"), f);
    if (capability)
        info_.v2 = capability->layout;
    else if (f.code() != errc::sysfs_malformed) // read_msix() has reported that
        note(f);
}

void device_reader::read_driver() {
    failure f;
    if (auto name = dir_.link("driver", f))
        info_.driver = std::move(*name);
    note(f, if_absent::ignore);
}

void device_reader::read_placement() {
    // -1 means that the machine has no NUMA nodes, or that the device is near none of them.
    failure f;
    if (const auto node = dir_.text("numa_node", f); node && *node != "-1") {
        const auto value = parse_number(*node);
        if (value && *value <= std::numeric_limits<int>::max())
            info_.numa_node = static_cast<int>(*value);
        else
            note(formatted("{}: holds {} instead of a node's number", dir_.path("numa_node"),
                           in_quotes(*node)));
    }
    note(f, if_absent::ignore);
    info_.msi_allowed = number("msi_bus", 1, if_absent::ignore).value_or(1) != 0;
    failure none; // the folder exists only while a driver uses MSI or MSI-X
    const auto irqs = dir_.dir("msi_irqs").entries(none);
    info_.driver_vectors = irqs ? static_cast<std::uint32_t>(irqs->size()) : 0;
    info_.enabled =
        number("enable", std::numeric_limits<int>::max(), if_absent::ignore).value_or(0) != 0;
}

} // namespace ivshmem
