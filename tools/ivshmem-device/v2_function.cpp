// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "v2_function.hpp"

#include "messages.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace ivshmem_device {

namespace {

constexpr identity v2_identity{.vendor = 0x110a,
                               .device = 0x4106,
                               .revision = 0,
                               .class_code = 0xff0000,
                               .subsystem_vendor = 0x110a,
                               .subsystem = 0x4106};

/// The vendor specific capability ("Vendor Specific Capability").
constexpr std::uint8_t capability = 0x40;
constexpr std::uint8_t vendor_id = 0x09;
constexpr std::uint8_t privileged_control = capability + 3; ///< bit 0: one-shot
constexpr std::uint8_t base_address = capability + 0x18;
constexpr std::uint8_t msix_capability = 0x60;
constexpr std::uint8_t express_capability = 0x80;

constexpr std::uint64_t v2_register_bytes = 4096;
constexpr unsigned hidden_memory_bar = 4; ///< instead of BAR 2

/// The offsets of the registers in BAR 0 ("Register Region").
struct v2_register {
    static constexpr std::uint64_t id = 0x00;
    static constexpr std::uint64_t max_peers = 0x04;
    static constexpr std::uint64_t int_control = 0x08;
    static constexpr std::uint64_t doorbell = 0x0c;
    static constexpr std::uint64_t state = 0x10;
    static constexpr std::uint64_t event_status = 0x14; ///< AxVisor's
};

/// AxVisor's (rcore-os/tgoskits, pull request 2239).
constexpr identity axvisor_identity{.vendor = 0x1af4,
                                    .device = 0x1110,
                                    .revision = 1,
                                    .class_code = 0x050000,
                                    .subsystem_vendor = 0,
                                    .subsystem = 0};

identity identity_of(const v2_settings& s) {
    if (s.axvisor)
        return axvisor_identity;
    identity who = v2_identity;
    who.class_code |= s.protocol;
    return who;
}

} // namespace

v2_function::v2_function(boost::asio::io_context& io, const v2_settings& s, std::uint16_t id,
                         link& l)
    : function{io, identity_of(s), s.intx, s.intx ? 0U : s.vectors}, settings_{s}, id_{id}, link_{
                                                                                                l} {
    add_bar(0, {.size = v2_register_bytes});
    if (!s.axvisor)
        add_vendor_capability();
    if (!s.intx)
        add_msix(msix_capability);
    if (s.express)
        add_express(express_capability);
    add_memory();
    if (link_.empty()) {
        // The first peer finds all states 0. Guests that may write the table may have left others.
        const std::vector<std::byte> zero(std::size_t{s.layout.max_peers} * 4);
        link_.memory().write(0, zero);
    }
    store_state();
    place_ = link_.join(id, *this);
}

v2_function::~v2_function() {
    set_state(0);
}

void v2_function::add_vendor_capability() {
    const v2_layout& layout = settings_.layout;
    std::vector<std::byte> body;
    const auto add = [&](std::uint64_t value, unsigned count) {
        for (unsigned i = 0; i < count; ++i)
            body.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
    };
    add(settings_.bar2 ? 0x18 : 0x20, 1); // its length
    add(0, 1);
    add(layout.state_table, 4);
    add(layout.read_write, 8);
    add(layout.output, 8);
    if (!settings_.bar2)
        add(0, 8);
    config().add_capability(capability, vendor_id, body);
    config().make_writable(privileged_control, 0x01);
}

void v2_function::add_memory() {
    const v2_layout& layout = settings_.layout;
    bar memory{.size = std::bit_ceil(layout.size()), .wide = true, .prefetchable = true};
    const auto map = [&](std::uint64_t offset, std::uint64_t size) {
        if (size != 0)
            memory.mapped.push_back({offset, size});
    };
    if (!settings_.protect) {
        map(0, layout.size());
    } else {
        map(layout.state_table, layout.read_write);
        map(layout.output_offset(id_), layout.output);
    }
    memory.fd = memory.mapped.empty() ? -1 : link_.memory().fd();
    add_bar(settings_.bar2 ? 2 : hidden_memory_bar, std::move(memory));
}

bool v2_function::one_shot() const {
    return !settings_.axvisor && (config().dword(capability) >> 24 & 1) != 0;
}

void v2_function::interrupt(std::uint16_t vector) {
    if (vector >= (settings_.intx ? 1U : settings_.vectors))
        return;
    if (settings_.axvisor)
        events_ |= 1U << std::min<unsigned>(vector, 31);
    if (!armed_)
        return;
    // Before the delivery, which may fail: the event is lost then, and the device is disarmed.
    if (one_shot())
        armed_ = false;
    if (!settings_.intx)
        send_msix(vector);
    else if (!config().intx_disabled())
        irqs().pulse_intx();
}

std::uint32_t v2_function::register_value(std::uint64_t offset) const {
    switch (offset) {
    case v2_register::id:
        return id_;
    case v2_register::max_peers:
        return settings_.layout.max_peers;
    case v2_register::int_control:
        return armed_ ? 1 : 0;
    case v2_register::state:
        return state_;
    case v2_register::event_status:
        return events_;
    default:
        return 0;
    }
}

void v2_function::read_registers(std::uint64_t offset, std::span<std::byte> to) {
    // Registers are accessed as aligned 32-bit words only; other accesses read 0.
    const std::uint32_t value =
        to.size() == sizeof value && offset % sizeof value == 0 ? register_value(offset) : 0;
    for (std::size_t i = 0; i < to.size(); ++i)
        to[i] = static_cast<std::byte>(i < sizeof value ? value >> (8 * i) & 0xff : 0);
}

void v2_function::write_registers(std::uint64_t offset, std::span<const std::byte> from) {
    if (from.size() != sizeof(std::uint32_t) || offset % sizeof(std::uint32_t) != 0)
        return;
    const auto value = wire::load<std::uint32_t>(from);
    switch (offset) {
    case v2_register::int_control:
        armed_ = (value & 1) != 0;
        break;
    case v2_register::doorbell:
        std::atomic_thread_fence(std::memory_order_seq_cst); // the guest's stores before it
        place_->ring(static_cast<std::uint16_t>(value >> 16), value & 0xffff);
        break;
    case v2_register::state:
        set_state(value);
        break;
    case v2_register::event_status:
        events_ &= ~value;
        break;
    default:
        break;
    }
}

void v2_function::store_state() {
    link_.memory().write(std::uint64_t{id_} * sizeof state_, std::as_bytes(std::span{&state_, 1}));
}

void v2_function::set_state(std::uint32_t value) {
    const bool differs = value != state_;
    state_ = value;
    store_state();
    std::atomic_thread_fence(std::memory_order_seq_cst); // the others read the table
    if (differs)
        place_->notify_others();
}

void v2_function::read_memory(std::uint64_t offset, std::span<std::byte> to) {
    link_.memory().read(offset, to);
}

void v2_function::write_memory(std::uint64_t offset, std::span<const std::byte> from) {
    const v2_layout& layout = settings_.layout;
    const auto is_within = [&](std::uint64_t begin, std::uint64_t size) {
        return offset >= begin && offset - begin <= size && from.size() <= size - (offset - begin);
    };
    if (is_within(layout.state_table, layout.read_write) ||
        is_within(layout.output_offset(id_), layout.output))
        link_.memory().write(offset, from);
}

void v2_function::changed() {
    if (settings_.bar2)
        return;
    constexpr std::size_t at = 0x10 + 4 * hidden_memory_bar;
    const std::uint64_t address =
        (config().dword(at) & ~std::uint32_t{0xf}) | std::uint64_t{config().dword(at + 4)} << 32;
    config().set(base_address, std::as_bytes(std::span{&address, 1}));
}

void v2_function::reset_registers() {
    armed_ = false;
    events_ = 0;
    set_state(0);
}

} // namespace ivshmem_device
