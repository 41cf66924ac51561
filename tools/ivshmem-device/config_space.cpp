// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "config_space.hpp"

#include <algorithm>
#include <cstring>

namespace ivshmem_device {

namespace {

constexpr std::size_t command = 0x04;
constexpr std::size_t status = 0x06;
constexpr std::size_t bar0 = 0x10;

std::byte byte_of(std::uint64_t value, unsigned index) {
    return static_cast<std::byte>(value >> (8 * index) & 0xff);
}

} // namespace

config_space::config_space(const identity& who) {
    put(0x00, who.vendor, 2);
    put(0x02, who.device, 2);
    put(0x08, who.revision, 1);
    put(0x09, who.class_code, 3);
    put(0x2c, who.subsystem_vendor, 2);
    put(0x2e, who.subsystem, 2);
    make_writable(command, 0x06);     // memory space, bus master
    make_writable(command + 1, 0x04); // interrupt disable
    make_writable(0x3c, 0xff);        // interrupt line
}

void config_space::put(std::size_t offset, std::uint64_t value, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
        bytes_.at(offset + i) = initial_.at(offset + i) = byte_of(value, i);
}

void config_space::make_writable(std::size_t offset, std::uint8_t bits) {
    writable_.at(offset) = static_cast<std::byte>(bits);
}

void config_space::add_bar(unsigned index, std::uint64_t bytes, bool wide, bool prefetchable) {
    const std::size_t at = bar0 + std::size_t{4} * index;
    put(at, (wide ? 0x4U : 0U) | (prefetchable ? 0x8U : 0U), 4);
    const std::uint64_t mask = ~(bytes - 1) & ~std::uint64_t{0xf};
    for (unsigned i = 0; i < (wide ? 8U : 4U); ++i)
        writable_.at(at + i) = byte_of(mask, i);
}

void config_space::add_interrupt_pin() {
    put(0x3d, 1, 1);
}

void config_space::add_capability(std::uint8_t offset, std::uint8_t id,
                                  std::span<const std::byte> body) {
    put(status, std::to_integer<unsigned>(bytes_.at(status)) | 0x10U, 1); // has a list
    put(last_pointer_, offset, 1);
    last_pointer_ = offset + std::size_t{1};
    put(offset, id, 1);
    put(last_pointer_, 0, 1);
    for (std::size_t i = 0; i < body.size(); ++i)
        put(offset + 2 + i, std::to_integer<unsigned>(body[i]), 1);
}

void config_space::read(std::size_t offset, std::span<std::byte> to) const {
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
}

void config_space::write(std::size_t offset, std::span<const std::byte> from) {
    for (std::size_t i = 0; i < from.size(); ++i) {
        const std::byte mask = writable_.at(offset + i);
        std::byte& at = bytes_.at(offset + i);
        at = (at & ~mask) | (from[i] & mask);
    }
}

std::uint32_t config_space::dword(std::size_t offset) const {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i)
        value |= std::to_integer<std::uint32_t>(bytes_.at(offset + i)) << (8 * i);
    return value;
}

void config_space::set_interrupt_status(bool pending) {
    std::byte& at = bytes_.at(status);
    at = (at & ~std::byte{0x08}) | (pending ? std::byte{0x08} : std::byte{0});
}

void config_space::set(std::size_t offset, std::span<const std::byte> value) {
    for (std::size_t i = 0; i < value.size(); ++i)
        bytes_.at(offset + i) = value[i];
}

} // namespace ivshmem_device
