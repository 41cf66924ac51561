// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "shared_memory.hpp"

#include "service/sealed_memory.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include <unistd.h>

namespace ivshmem_device {

namespace {

/// Calls a function with a null pointer to the integer type of this size, if an access of this size
/// at this offset is one instruction.
template <typename Function>
bool as_integer(std::uint64_t offset, std::size_t size, Function function) {
    if (!std::has_single_bit(size) || offset % size != 0)
        return false;
    switch (size) {
    case 1:
        function(static_cast<std::uint8_t*>(nullptr));
        return true;
    case 2:
        function(static_cast<std::uint16_t*>(nullptr));
        return true;
    case 4:
        function(static_cast<std::uint32_t*>(nullptr));
        return true;
    case 8:
        function(static_cast<std::uint64_t*>(nullptr));
        return true;
    default:
        return false;
    }
}

} // namespace

shared_memory shared_memory::create(std::uint64_t size, ivshmem::failure& f) {
    shared_memory m;
    m.size_ = size;
    m.fd_ = service::make_sealed_memory(size, f);
    if (f)
        return m;
    m.mapping_ = ivshmem::mapping{m.fd(), size, 0};
    if (!m.mapping_)
        f.set_errno(errno, "memfd: cannot map its {} bytes; choose smaller sizes", size);
    return m;
}

shared_memory shared_memory::adopt(ivshmem::unique_fd fd, std::uint64_t size) {
    shared_memory m;
    m.fd_ = std::move(fd);
    m.size_ = size;
    return m;
}

void shared_memory::read(std::uint64_t offset, std::span<std::byte> to) const {
    std::fill(to.begin(), to.end(), std::byte{0});
    if (offset >= size_)
        return;
    to = to.first(std::min<std::uint64_t>(to.size(), size_ - offset));
    if (!mapping_) {
        [[maybe_unused]] const ssize_t got = ivshmem::retry_eintr(
            [&] { return ::pread(fd(), to.data(), to.size(), static_cast<off_t>(offset)); });
        return; // bytes that the file lost are 0
    }
    const std::byte* const from = mapping_.bytes().data() + offset;
    const bool one = as_integer(offset, to.size(), [&](auto* type) {
        using integer = std::remove_pointer_t<decltype(type)>;
        const integer value =
            __atomic_load_n(reinterpret_cast<const integer*>(from), __ATOMIC_ACQUIRE);
        std::memcpy(to.data(), &value, to.size());
    });
    if (!one)
        std::memcpy(to.data(), from, to.size());
}

void shared_memory::write(std::uint64_t offset, std::span<const std::byte> from) const {
    if (offset >= size_)
        return;
    from = from.first(std::min<std::uint64_t>(from.size(), size_ - offset));
    if (!mapping_) {
        [[maybe_unused]] const ssize_t put = ivshmem::retry_eintr(
            [&] { return ::pwrite(fd(), from.data(), from.size(), static_cast<off_t>(offset)); });
        return;
    }
    std::byte* const to = mapping_.bytes().data() + offset;
    const bool one = as_integer(offset, from.size(), [&](auto* type) {
        std::remove_pointer_t<decltype(type)> value = 0;
        std::memcpy(&value, from.data(), from.size());
        __atomic_store_n(reinterpret_cast<decltype(type)>(to), value, __ATOMIC_RELEASE);
    });
    if (!one)
        std::memcpy(to, from.data(), from.size());
}

} // namespace ivshmem_device
