// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/region_geometry.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

namespace ivshmem {

/// How a slot is to be claimed.
struct slot_options {
    /// Which slot: 0..geometry.slots-1. Empty: the device's id, where the geometry has that slot.
    /// The ids of QEMU's devices grow with every connection; so name the slot where it matters.
    std::optional<std::uint32_t> number{};
    /// Insist on a geometry; claiming fails with errc::geometry_mismatch where a peer uses another
    /// one. Empty: that of the peers that are there, or else 4 slots, 4 lanes and the largest
    /// rings that fit, up to 1 MiB.
    std::optional<region_geometry> geometry{};
    /// How long a holder of the slot has to object, where it is not known to be gone; at least
    /// 250 ms on devices whose peers poll. Must be positive.
    std::chrono::milliseconds claim_time{250};
    /// The vector that peers ring for all that is not of a connected channel, and by default for
    /// channels too: below capabilities().interrupts. Without interrupts it means nothing.
    std::uint16_t vector = 0;
    /// Forgets peers with another geometry or version. They must be gone: one that is not loses
    /// its slot.
    bool reformat = false;
};

/// The peer that holds a slot, as the header of the slot says; the peer may lie.
struct slot_holder {
    std::uint32_t slot = 0;
    std::uint32_t incarnation = 0; ///< never 0; another one after each restart
    std::uint16_t peer = 0;        ///< its id at the device, for device::ring()

    bool operator==(const slot_holder&) const = default;
};

/// The place of a process in the shared memory: an output section of its own, which no other peer
/// writes, and in which its channels have their rings (channel-layout.md).
///
/// Holding a slot costs nothing. To notice that another peer claims the same slot the holder must
/// look now and then: answer_claims(), which asio::slot does with each interrupt.
///
/// A slot, its channels and the mapping of the memory live as long as any of them: closing the
/// device leaves the memory mapped until the last is closed. After fork() they belong to the
/// parent; a child must not use them.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe; a slot and its channels count as
/// one object, except that channels which are connected may send and receive in a thread each.
class IVSHMEM_API slot {
  public:
    class IVSHMEM_HIDDEN impl;

    /// Holds nothing.
    slot() noexcept;
    slot(slot&& other) noexcept;
    slot& operator=(slot&& other) noexcept;
    slot(const slot&) = delete;
    slot& operator=(const slot&) = delete;
    /// As close().
    ~slot();

    /// Claims a slot. Blocks for options.claim_time where a former holder did not leave the slot
    /// in order and is not known to be gone, else for some milliseconds.
    ///
    /// @throws error errc::bad_geometry, region_too_small, geometry_mismatch, layout_version,
    /// slot_out_of_range, slot_in_use, vector_out_of_range, closed (the device), forked; a system
    /// error (a claim time that is not positive is std::errc::invalid_argument).
    [[nodiscard]] static slot claim(const device& of, const slot_options& options = {});
    [[nodiscard]] static slot claim(const device& of, const slot_options& options,
                                    std::error_code& ec);

    [[nodiscard]] bool is_open() const noexcept { return impl_ != nullptr; }
    /// Gives the slot back. Its channels are closed as by channel::close(); it is for them to
    /// notice: what they do next fails with errc::closed.
    void close() noexcept;

    /// @name Facts
    /// @pre is_open()
    /// @{
    [[nodiscard]] std::uint32_t number() const noexcept;
    /// Never 0; new with each claim.
    [[nodiscard]] std::uint32_t incarnation() const noexcept;
    [[nodiscard]] const region_geometry& geometry() const noexcept;
    /// The vector that peers ring. @see slot_options::vector
    [[nodiscard]] std::uint16_t vector() const noexcept;
    /// Whether peers can ring this side: the device has interrupts.
    [[nodiscard]] bool has_interrupts() const noexcept;
    /// The bytes of shared memory that one channel takes: both of its blocks.
    [[nodiscard]] std::uint64_t channel_size() const noexcept;
    /// @}

    /// Answers a peer that claims this slot.
    /// @throws error errc::slot_lost, and again each time; errc::closed.
    void answer_claims();
    void answer_claims(std::error_code& ec);

    /// The holders of the other slots, by ascending slot. @pre is_open()
    [[nodiscard]] std::vector<slot_holder> holders() const;
    /// The holder of another slot; empty if nobody holds it. @throws error errc::slot_out_of_range,
    /// errc::closed.
    [[nodiscard]] std::optional<slot_holder> find_holder(std::uint32_t number) const;
    [[nodiscard]] std::optional<slot_holder> find_holder(std::uint32_t number,
                                                         std::error_code& ec) const;

  private:
    friend class channel;
    friend class service_directory;

    IVSHMEM_HIDDEN explicit slot(std::shared_ptr<impl> claimed) noexcept;

    std::shared_ptr<impl> impl_;
};

} // namespace ivshmem
