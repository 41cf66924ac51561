// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/error.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/slot.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

namespace ivshmem {

/// The services of a slot by name, and those of the other slots: a view on a slot.
///
/// asio::acceptor and asio::async_connect() do all of this; a program without Asio offers a
/// service, polls find_request(), and opens the lane with channel_options::offered. The other side
/// finds the service, finds a lane, and opens it with channel_options::service.
///
/// The view stays valid if the slot is moved. Once the slot is closed its functions fail with
/// errc::closed.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe, if their slots are distinct. @e Shared @e objects: Unsafe; it
/// counts as one object with the slot.
class IVSHMEM_API service_directory {
  public:
    /// A service that a peer offers.
    struct service {
        std::uint32_t slot = 0; ///< the slot that offers it
        std::uint32_t key = 0;  ///< its number there; never 0
    };
    /// A lane that a peer has opened to ask for a service.
    struct request {
        std::uint32_t slot = 0; ///< the slot that asks
        std::uint32_t lane = 0;
    };

    /// A view of a slot, which may be closed.
    explicit service_directory(const slot& of) noexcept;

    /// Offers a service, so that other peers find it.
    /// @param name 1 to 59 bytes of UTF-8 without control characters.
    /// @return The key of the service in blocks of the layout; never 0.
    /// @throws error errc::bad_service_name, service_exists, directory_full, closed, slot_lost,
    /// forked.
    std::uint32_t offer(std::string_view name);
    std::uint32_t offer(std::string_view name, std::error_code& ec);
    /// Withdraws an offer. Ignores an unknown key.
    void withdraw(std::uint32_t key) noexcept;
    /// Looks for a service, in the order of the slots.
    /// @param in The slot that must offer it; empty: any other.
    /// @throws error errc::bad_service_name, slot_out_of_range, service_unknown, closed, slot_lost,
    /// forked.
    [[nodiscard]] service find_service(std::string_view name,
                                       std::optional<std::uint32_t> in = {}) const;
    [[nodiscard]] service find_service(std::string_view name, std::optional<std::uint32_t> in,
                                       std::error_code& ec) const;
    /// Looks for a lane, closed in this process, that a peer has opened to ask for a service of
    /// this slot. Returns several requests in turn. Does not return a request again that was served
    /// and closed.
    [[nodiscard]] std::optional<request> find_request(std::uint32_t key);
    /// Whether a peer still asks for a service of this slot on a lane.
    [[nodiscard]] bool is_requested(const request& r, std::uint32_t key) const;
    /// Looks for a lane that neither side has open, to ask a peer for a service: the highest one.
    /// @throws error errc::slot_out_of_range, lane_in_use (all are), closed, slot_lost, forked.
    [[nodiscard]] std::uint32_t find_lane(std::uint32_t to) const;
    [[nodiscard]] std::uint32_t find_lane(std::uint32_t to, std::error_code& ec) const;

  private:
    std::shared_ptr<slot::impl> slot_;
};

} // namespace ivshmem
