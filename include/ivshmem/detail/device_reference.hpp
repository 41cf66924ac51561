// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>

namespace ivshmem::detail {

/// The reference of an I/O object to a device. It stays valid when the device is moved, and fails
/// with errc::closed after the device was closed.
///
/// @par Thread Safety
/// As the members of device that have the same names.
class IVSHMEM_API device_reference {
  public:
    device_reference() = default;
    device_reference(const device& of) noexcept : impl_{of.impl_} {} // NOLINT: it refers to it

    /// A descriptor that polls readable while rings of the vector wait to be taken, and for nothing
    /// else, so that an event loop waits for the kernel's own eventfd.
    [[nodiscard]] int rings_fd(std::uint32_t vector) const;
    int rings_fd(std::uint32_t vector, std::error_code& ec) const;
    /// A descriptor that polls readable if an object that waits for rings must call take() although
    /// there are none: the device goes away, or the server sent something. One a device; -1 if
    /// rings_fd() covers that, or if the device is closed.
    [[nodiscard]] int attention_fd() const noexcept;
    /// How many departures of peers the device has noticed; take() notices them.
    [[nodiscard]] std::uint64_t departures() const noexcept;
    std::uint64_t take(std::uint32_t vector, std::error_code& ec) const;
    [[nodiscard]] int any_interrupt_fd() const;
    int any_interrupt_fd(std::error_code& ec) const;
    std::optional<interrupt_count> take_any(std::error_code& ec) const;
    [[nodiscard]] int event_fd() const;
    int event_fd(std::error_code& ec) const;
    std::optional<event> next_event(std::error_code& ec) const;

  private:
    std::weak_ptr<device::impl> impl_;
};

} // namespace ivshmem::detail
