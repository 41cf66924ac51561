// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/service_directory.hpp>
#include <ivshmem/slot.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace ivshmem::detail {

/// A connection by service name that is being made, in steps that do not wait. Waits for the
/// service to be offered, and to be accepted; goes on to another peer if the offer is withdrawn.
class service_connection {
  public:
    /// @param from Must outlive this object. @param at The slot that must offer the service.
    service_connection(ivshmem::slot& from, std::string name, std::optional<std::uint32_t> at,
                       const channel_options& options)
        : slot_{from}, directory_{from}, name_{std::move(name)}, at_{at}, options_{options} {}

    /// Takes the steps that are possible now. @return Whether `channel` is connected.
    bool connected(std::error_code& ec) {
        if (channel.is_open() && channel.update(ec) == ivshmem::channel_state::connected)
            return true; // even if the offer was withdrawn
        const auto found = directory_.find_service(name_, at_, ec);
        if (ec == errc::service_unknown) {
            ec.clear();
            channel.close();
            return false;
        }
        if (!ec && channel.is_open() &&
            (found.key != service_.key || found.slot != service_.slot ||
             ivshmem::channel_driver{channel}.is_contested()))
            channel.close();
        if (!ec && !channel.is_open())
            open(found, ec);
        return !ec && channel.update(ec) == ivshmem::channel_state::connected;
    }

    ivshmem::channel channel;

  private:
    void open(const ivshmem::service_directory::service& service, std::error_code& ec) {
        // The caller waits for the rings of the slot, and of no other vector.
        if (slot_.has_interrupts() && options_.vector.value_or(slot_.vector()) != slot_.vector()) {
            ec = errc::vector_out_of_range;
            return;
        }
        service_ = service;
        options_.service = service.key;
        const std::uint32_t lane = directory_.find_lane(service.slot, ec);
        if (!ec)
            channel = ivshmem::channel::open(slot_, service.slot, lane, options_, ec);
    }

    ivshmem::slot& slot_;
    ivshmem::service_directory directory_;
    std::string name_;
    std::optional<std::uint32_t> at_;
    channel_options options_;
    ivshmem::service_directory::service service_;
};

} // namespace ivshmem::detail
