// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "v1_function.hpp"

#include <algorithm>
#include <atomic>

namespace ivshmem_device {

namespace {

constexpr std::uint64_t v1_register_bytes = 256;
constexpr std::uint64_t word = 4;

/// The offsets of the registers in BAR 0.
struct v1_register {
    static constexpr std::uint64_t intr_mask = 0x00;
    static constexpr std::uint64_t intr_status = 0x04;
    static constexpr std::uint64_t iv_position = 0x08;
    static constexpr std::uint64_t doorbell = 0x0c;
    static constexpr std::uint64_t end = 0x10;
};

} // namespace

v1_function::v1_function(boost::asio::io_context& io, const v1_settings& s,
                         const shared_memory& memory)
    : function{io, s.who, s.intx, s.vectors}, settings_{s}, memory_{memory},
      pending_(s.vectors), ready_{clock::now() + s.late} {
    add_bar(0, {.size = v1_register_bytes});
    if (s.vectors != 0)
        add_msix(0x40);
    else if (s.empty_bar1)
        add_bar(1, {.size = 4096});
    if (s.express)
        add_express(0x80);
    add_bar(2, {.size = memory.size(),
                .wide = true,
                .prefetchable = s.prefetchable,
                .fd = memory.fd(),
                .mapped = {{0, memory.size()}}});
}

void v1_function::interrupt(std::uint16_t vector) {
    if (settings_.intx) {
        status_ |= 1;
        update_intx();
    } else if (vector < pending_.size() && !send_msix(vector)) {
        pending_[vector] = settings_.latches;
    }
}

void v1_function::changed() {
    for (unsigned vector = 0; vector < pending_.size(); ++vector) {
        if (pending_[vector] && send_msix(vector))
            pending_[vector] = false;
    }
}

std::byte v1_function::pending_byte(std::size_t at) const {
    unsigned bits = 0;
    for (unsigned i = 0; i < 8; ++i) {
        const std::size_t vector = 8 * at + i;
        if (vector < pending_.size() && pending_[vector])
            bits |= 1U << i;
    }
    return static_cast<std::byte>(bits);
}

void v1_function::update_intx() {
    if (!settings_.intx)
        return;
    const bool level = (status_ & mask_) != 0;
    config().set_interrupt_status(level);
    irqs().set_intx(level);
}

std::uint32_t v1_function::read_register(std::uint64_t offset) {
    switch (offset) {
    case v1_register::intr_mask:
        return settings_.mask ? mask_ : 0;
    case v1_register::intr_status: {
        const std::uint32_t value = settings_.mask ? status_ : 0;
        status_ = 0; // a read clears it
        update_intx();
        return value;
    }
    case v1_register::iv_position:
        return clock::now() < ready_ ? ~std::uint32_t{0} : settings_.position;
    case v1_register::doorbell:
        return 0;
    default:
        return settings_.reserved;
    }
}

void v1_function::write_register(std::uint64_t offset, std::uint32_t value) {
    switch (offset) {
    case v1_register::intr_mask:
        mask_ = value;
        update_intx();
        break;
    case v1_register::intr_status:
        status_ = value;
        update_intx();
        break;
    case v1_register::doorbell:
        if (!settings_.doorbell || !place_ || clock::now() < ready_)
            break;
        std::atomic_thread_fence(std::memory_order_seq_cst); // the guest's stores before it
        place_->ring(static_cast<std::uint16_t>(value >> 16), value & 0xffff);
        break;
    default:
        break;
    }
}

void v1_function::read_registers(std::uint64_t offset, std::span<std::byte> to) {
    if (settings_.only_dwords &&
        (to.size() != word || offset % word != 0 || offset >= v1_register::end))
        return std::fill(to.begin(), to.end(), std::byte{0});
    // A narrower access reads a part of the register, a wider one several.
    for (std::size_t done = 0; done < to.size();) {
        const std::uint64_t at = offset + done;
        const std::uint32_t value = read_register(at / word * word);
        for (std::uint64_t byte = at % word; byte < word && done < to.size(); ++byte, ++done)
            to[done] = static_cast<std::byte>(value >> (8 * byte) & 0xff);
    }
}

void v1_function::write_registers(std::uint64_t offset, std::span<const std::byte> from) {
    if (settings_.only_dwords &&
        (from.size() != word || offset % word != 0 || offset >= v1_register::end))
        return;
    // A narrower access writes the register with zeros in the other bytes, as QEMU's device does.
    for (std::size_t done = 0; done < from.size(); done += word) {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < word && done + i < from.size(); ++i)
            value |= std::to_integer<std::uint32_t>(from[done + i]) << (8 * i);
        write_register(offset + done, value);
    }
}

void v1_function::read_memory(std::uint64_t offset, std::span<std::byte> to) {
    memory_.read(offset, to);
}

void v1_function::write_memory(std::uint64_t offset, std::span<const std::byte> from) {
    memory_.write(offset, from);
}

void v1_function::reset_registers() {
    mask_ = 0;
    status_ = 0;
    pending_.assign(pending_.size(), false);
    ready_ = clock::now() + settings_.late;
    update_intx();
}

} // namespace ivshmem_device
