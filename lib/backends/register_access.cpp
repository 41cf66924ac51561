// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/register_access.hpp"

#include "base/unique_fd.hpp"

#include <ivshmem/detail/doorbell_page.hpp>
#include <ivshmem/detail/publish.hpp>

#include <atomic>

#include <unistd.h>

namespace ivshmem {

std::uint32_t register_access::read(std::size_t at) const noexcept {
    if (base_ != nullptr) {
        const std::uint32_t value = base_[at / sizeof(std::uint32_t)];
        std::atomic_thread_fence(std::memory_order_acquire);
        return detail::to_register(value);
    }
    std::uint32_t value = ~0U;
    const auto got = retry_eintr(
        [&] { return ::pread(fd_, &value, sizeof value, static_cast<off_t>(region_ + at)); });
    return got == sizeof value ? detail::to_register(value) : ~0U;
}

bool register_access::write(std::size_t at, std::uint32_t value) const noexcept {
    const std::uint32_t raw = detail::to_register(value);
    detail::publish();
    if (base_ != nullptr) {
        base_[at / sizeof(std::uint32_t)] = raw;
        return true;
    }
    return retry_eintr([&] {
               return ::pwrite(fd_, &raw, sizeof raw, static_cast<off_t>(region_ + at));
           }) == sizeof raw;
}

} // namespace ivshmem
