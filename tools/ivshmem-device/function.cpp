// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "function.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace ivshmem_device {

namespace {

/// MSI-X (PCI Local Bus Specification 3.0, 6.8.2).
constexpr std::uint8_t msix_id = 0x11;
constexpr unsigned msix_bar = 1;
constexpr std::uint64_t table_entry = 16;

/// The capability of PCI Express (PCI Express Base Specification 3.0, 7.8), version 2.
struct express {
    static constexpr std::uint8_t id = 0x10;
    static constexpr std::size_t size = 0x3c;
    static constexpr std::size_t flags = 0x02; ///< bits 7:4 are the type; 0: an endpoint
    static constexpr std::size_t device_capabilities = 0x04;
    static constexpr std::size_t device_control = 0x08;
    static constexpr std::size_t link_capabilities = 0x0c;
    static constexpr std::size_t link_status = 0x12;
    static constexpr std::byte one_lane_of_2_5_gt{0x11};
    static constexpr std::byte role_based_error_reporting{0x80}; ///< in the second byte
};

} // namespace

function::function(boost::asio::io_context& io, const identity& who, bool intx, unsigned vectors)
    : config_{who}, irqs_{io, intx, vectors} {
    if (intx)
        config_.add_interrupt_pin();
}

void function::add_bar(unsigned index, bar what) {
    config_.add_bar(index, what.size, what.wide, what.prefetchable);
    bars_.at(index) = std::move(what);
}

void function::add_msix(std::uint8_t offset) {
    // The table at the begin, the pending bits in the second half: 4 KiB up to 128 vectors.
    const std::uint64_t table = irqs_.vectors() * table_entry;
    const std::uint64_t half = std::max<std::uint64_t>(std::bit_ceil(table), 2048);
    pending_bits_ = half;
    add_bar(msix_bar, {.size = 2 * half});
    std::vector<std::byte> body;
    const auto add = [&](std::uint64_t value, unsigned count) {
        for (unsigned i = 0; i < count; ++i)
            body.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
    };
    add(irqs_.vectors() - 1, 2);
    add(msix_bar, 4);
    add(half | msix_bar, 4);
    config_.add_capability(offset, msix_id, body);
    config_.make_writable(offset + 3U, 0xc0); // enable, and mask all
    msix_capability_ = offset;
}

void function::add_express(std::uint8_t offset) {
    constexpr std::size_t header = 2; // id and next pointer
    std::vector<std::byte> body(express::size - header);
    body[express::flags - header] = std::byte{2};
    body[express::device_capabilities + 1 - header] = express::role_based_error_reporting;
    body[express::link_capabilities - header] = express::one_lane_of_2_5_gt;
    body[express::link_status - header] = express::one_lane_of_2_5_gt;
    config_.add_capability(offset, express::id, body);
    config_.make_writable(offset + express::device_control, 0xff);
    config_.make_writable(offset + express::device_control + 1, 0x7f); // there is no reset
}

bool function::send_msix(unsigned vector) {
    if (msix_capability_ == 0 || !config_.bus_master())
        return false;
    const std::uint32_t control = config_.dword(msix_capability_) >> 16;
    const bool enabled = (control & 0xc000) == 0x8000;
    return enabled && irqs_.signal(vector);
}

std::uint64_t function::region_size(std::uint32_t index) const {
    if (index < bars_.size())
        return bars_.at(index).size;
    return index == VFIO_PCI_CONFIG_REGION_INDEX ? config_space::size : 0;
}

void function::read_msix(std::uint64_t offset, std::span<std::byte> to) const {
    // The table is the client's: it never reads it here.
    for (std::size_t i = 0; i < to.size(); ++i) {
        const std::uint64_t at = offset + i;
        const bool pending = msix_capability_ != 0 && at >= pending_bits_;
        to[i] = pending ? pending_byte(at - pending_bits_) : std::byte{0};
    }
}

void function::read(std::uint32_t region, std::uint64_t offset, std::span<std::byte> to) {
    switch (region) {
    case VFIO_PCI_CONFIG_REGION_INDEX:
        return config_.read(offset, to);
    case VFIO_PCI_BAR0_REGION_INDEX:
        return read_registers(offset, to);
    case VFIO_PCI_BAR1_REGION_INDEX:
        return read_msix(offset, to);
    default:
        return read_memory(offset, to);
    }
}

void function::write(std::uint32_t region, std::uint64_t offset, std::span<const std::byte> from) {
    switch (region) {
    case VFIO_PCI_CONFIG_REGION_INDEX:
        config_.write(offset, from);
        irqs_.enable_intx(!config_.intx_disabled());
        return changed();
    case VFIO_PCI_BAR0_REGION_INDEX:
        return write_registers(offset, from);
    case VFIO_PCI_BAR1_REGION_INDEX:
        return;
    default:
        return write_memory(offset, from);
    }
}

int function::set_irqs(const vfio_irq_set& what, std::span<const std::byte> data,
                       std::vector<ivshmem::unique_fd> fds) {
    const int number = irqs_.set(what, data, std::move(fds));
    changed();
    return number;
}

void function::reset() {
    reset_registers();
    config_.reset();
    irqs_.reset();
    changed();
}

} // namespace ivshmem_device
