// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/basic_wait_object.hpp>
#include <ivshmem/detail/device_reference.hpp>

#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

namespace ivshmem::asio::detail {

/// The rings of the vector of a slot, and the departures of peers.
struct slot_interrupt_source {
    using value_type = std::uint64_t;
    ivshmem::detail::device_reference device{};
    std::uint32_t vector = 0;
    std::uint64_t departures = 0; ///< that were taken

    [[nodiscard]] int fd() const { return device.rings_fd(vector); }
    int fd(std::error_code& ec) const { return device.rings_fd(vector, ec); }
    [[nodiscard]] int attention_fd() const noexcept { return device.attention_fd(); }
    /// @return The number of rings; 0 if only a peer has left.
    std::optional<value_type> take(std::error_code& ec) {
        const value_type count = device.take(vector, ec);
        const std::uint64_t before = std::exchange(departures, device.departures());
        return count != 0 || departures != before ? std::optional{count} : std::nullopt;
    }
};

/// Waits for the rings of a slot and for departures.
template <typename Executor>
class slot_interrupt
    : public basic_wait_object<slot_interrupt_source, Executor, const device&, std::uint32_t> {
    using base = basic_wait_object<slot_interrupt_source, Executor, const device&, std::uint32_t>;

  public:
    using base::base;

    template <typename Token>
    auto async_wait(Token&& token) {
        return this->async_take(std::forward<Token>(token));
    }
};

} // namespace ivshmem::asio::detail
