// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device.hpp>

#include <memory>
#include <optional>
#include <system_error>

namespace ivshmem::detail {

/// What an I/O object holds of a device: it follows the device when that is moved, and fails with
/// errc::closed once that is closed.
///
/// @par Thread Safety
/// As the members of device that have the same names.
class IVSHMEM_API device_reference {
  public:
    device_reference() = default;
    explicit device_reference(const device& of) noexcept : impl_{of.impl_} {}

    int interrupt_fd(std::uint32_t vector, std::error_code& ec) const;
    std::uint64_t take(std::uint32_t vector, std::error_code& ec) const;
    int any_interrupt_fd(std::error_code& ec) const;
    std::optional<interrupt_count> take_any(std::error_code& ec) const;
    int event_fd(std::error_code& ec) const;
    std::optional<event> next_event(std::error_code& ec) const;

  private:
    std::weak_ptr<device::impl> impl_;
};

} // namespace ivshmem::detail
