// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/region_geometry.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

namespace ivshmem {

/// Chooses how a slot is claimed.
///
/// On ivshmem-v2 the device divides the memory: the slot is the device's id, its section the output
/// section of the device, and there are as many slots as peers, 256 at most. Leave `number` and
/// `region` empty there; `geometry` chooses lanes and rings.
struct slot_options {
    /// The slot to claim: 0..geometry.slots-1. Empty: the device's id, which soon is no slot, for
    /// the ids of QEMU's devices grow with every connection. Name the slot, or use
    /// slot::claim_free(), for which this must be empty.
    std::optional<std::uint32_t> number{};
    /// The part of the shared memory that is divided for channels; the rest is the application's
    /// (slot::application_memory()). Both numbers must be multiples of 4096. All peers must use the
    /// same: claiming fails with errc::geometry_mismatch if a peer uses another one that overlaps.
    /// Empty: that of the present peers, or else all of the memory. A region of theirs is found if
    /// it starts at 0, at a power of two or at a sixteenth of the memory; name another one.
    std::optional<memory_region> region{};
    /// Insists on a geometry; claiming fails with errc::geometry_mismatch if a peer uses another
    /// one. Empty: that of the present peers, or else 4 slots, 4 lanes and the largest rings, of up
    /// to 1 MiB, that leave an eighth of the region to topics.
    std::optional<region_geometry> geometry{};
    /// How long a holder of the slot has to object, if it is not known to be gone; at least
    /// 250 ms on devices whose peers poll. Must be positive.
    std::chrono::milliseconds claim_time{250};
    /// The vector that peers ring for everything except connected channels, and by default for
    /// channels too: below capabilities().interrupts. It has no meaning without interrupts.
    std::uint16_t vector = 0;
    /// Forgets peers with another geometry or version. They must be gone: a peer that is still
    /// alive loses its slot.
    bool reformat = false;
    /// The most memory, in bytes, that channels of this slot take for messages of which parts are
    /// still missing; it grows only with the bytes that arrive, and is freed when the message has
    /// been received or the channel is closed. Each peer may take as much as is free, so none takes
    /// all. A message for which there is not enough is a fault, as one over the limit
    /// (layout_violation::limit). 0: channels take only messages that were sent in one piece, or
    /// that a caller receives in parts (channel_driver::receive_some(), asio::channel).
    std::uint64_t memory_for_parts = 256ULL * 1024 * 1024;
    /// The period of a heartbeat: 100 ms to 60 s; 0: none. The slot beats once a period, and
    /// watches those peers that beat too: a peer without a beat for four periods, the longer of the
    /// two, is lost, within five periods, and its channels report errc::peer_lost. This is the only
    /// way to notice the end of a peer in a VM of v1; the end of a process at the same server, or
    /// of a whole VM there, is noticed at once without it, and so is on ivshmem-v2 that of every
    /// peer whose state becomes 0. A peer that does not run for four periods is lost too, and can
    /// return.
    ///
    /// asio::slot beats by itself and wakes up for it once a period. Otherwise call answer_claims()
    /// or channel::update() at least once a period.
    std::chrono::milliseconds heartbeat{0};
};

/// The peer that holds a slot, as the header of the slot says; the peer may have written false
/// values.
struct slot_holder {
    std::uint32_t slot = 0;
    std::uint32_t incarnation = 0; ///< never 0; another one after each restart
    std::uint16_t peer = 0;        ///< its id at the device, for device::ring()

    bool operator==(const slot_holder&) const = default;
};

/// The place of a process in the shared memory: an output section of its own, which no other peer
/// writes, and in which its channels have their rings (channel-layout.md).
///
/// Holding a slot costs nothing. To answer another peer that claims the same slot the holder must
/// call answer_claims() at least every 100 ms, or after each ring; asio::slot does so by itself.
///
/// Without slot_options::region, channels use all of the shared memory: a program that also writes
/// to device::memory() overwrites them. Give the channels a part, and write to the rest,
/// application_memory().
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

    /// A closed slot.
    slot() noexcept;
    slot(slot&& other) noexcept;
    slot& operator=(slot&& other) noexcept;
    slot(const slot&) = delete;
    slot& operator=(const slot&) = delete;
    /// As close().
    ~slot();

    /// Claims a slot. Blocks for options.claim_time if a former holder did not leave the slot in
    /// order and is not known to be gone, else for 20 ms; never on ivshmem-v2, where no other peer
    /// can have the slot. slot_claim does it without blocking.
    ///
    /// @throws error errc::bad_geometry, region_too_small, geometry_mismatch, layout_version,
    /// slot_out_of_range, slot_in_use (also if this very process holds the slot), sections_fixed,
    /// vector_out_of_range, closed (the device), forked; a system error
    /// (std::errc::invalid_argument: a claim time that is not positive, or a region that is not
    /// made of whole pages of the memory, or a heartbeat out of its range).
    [[nodiscard]] static slot claim(const device& of, const slot_options& options = {});
    [[nodiscard]] static slot claim(const device& of, const slot_options& options,
                                    std::error_code& ec);
    /// Claims the lowest free slot. Blocks for 20 ms, and for 20 ms more with each slot that
    /// another peer took at the same time. Peers that start together get different slots. On
    /// ivshmem-v2: as claim().
    ///
    /// Never takes a slot from a holder, stopped or dead, unless the device saw the holder leave: a
    /// slot whose holder was killed stays held until it is claimed by number. If the holder's id is
    /// not there, or is this device's own, the holder is asked first (claim_time).
    ///
    /// @throws error as claim(), and errc::no_free_slot.
    [[nodiscard]] static slot claim_free(const device& of, const slot_options& options = {});
    [[nodiscard]] static slot claim_free(const device& of, const slot_options& options,
                                         std::error_code& ec);

    [[nodiscard]] bool is_open() const noexcept { return impl_ != nullptr; }
    /// Gives the slot back. Its channels are closed as by channel::close(), and their next calls
    /// fail with errc::closed.
    void close() noexcept;

    /// @name Facts
    /// @pre is_open()
    /// @{
    [[nodiscard]] std::uint32_t number() const noexcept;
    /// Never 0; new with each claim.
    [[nodiscard]] std::uint32_t incarnation() const noexcept;
    [[nodiscard]] const region_geometry& geometry() const noexcept;
    /// The part of the memory that channels use; of ivshmem-v2, of device::output_sections().
    [[nodiscard]] memory_region region() const noexcept;
    /// The part of the memory that no channel reads or writes as long as all peers use this
    /// region(): the bytes before it or, if it starts at 0, after it. Empty if the region is all of
    /// the memory. On ivshmem-v2: all of the read/write section. Valid while this slot or one of
    /// its channels is open.
    [[nodiscard]] std::span<std::byte> application_memory() const noexcept;
    /// The vector that peers ring. @see slot_options::vector
    [[nodiscard]] std::uint16_t vector() const noexcept;
    /// Whether peers can ring this side: the device has interrupts.
    [[nodiscard]] bool has_interrupts() const noexcept;
    /// @see slot_options::heartbeat
    [[nodiscard]] std::chrono::milliseconds heartbeat() const noexcept;
    /// The bytes of shared memory that one channel takes: both of its blocks.
    [[nodiscard]] std::uint64_t channel_size() const noexcept;
    /// How often answer_claims() found that the incarnation in the header had changed without the
    /// steps of a claim, and wrote it again. If it is not 0, another peer writes to this section,
    /// which a device of version 1 cannot prevent. Channels of this slot go on.
    [[nodiscard]] std::uint32_t repairs() const noexcept;
    /// @}

    /// Answers a peer that claims this slot, checks that only this library has written to its
    /// header, and beats if a beat is due (slot_options::heartbeat). Call it at least every 100 ms
    /// unless peers can ring this side (has_interrupts()), and then after each ring: a peer waits
    /// for slot_options::claim_time, 250 ms by default.
    ///
    /// @throws error errc::slot_lost; errc::slot_overwritten, after which the slot has been left so
    /// that peers see its channels end. Both again each time. errc::closed, forked.
    void answer_claims();
    void answer_claims(std::error_code& ec);

    /// The holders of the other slots, by ascending slot. @pre is_open()
    [[nodiscard]] std::vector<slot_holder> holders() const;
    /// The holder of another slot; empty if the slot is free. @throws error
    /// errc::slot_out_of_range, errc::closed.
    [[nodiscard]] std::optional<slot_holder> find_holder(std::uint32_t number) const;
    [[nodiscard]] std::optional<slot_holder> find_holder(std::uint32_t number,
                                                         std::error_code& ec) const;

  private:
    friend class channel;
    friend class slot_claim;
    friend class service_directory;
    friend class slot_topics;
    friend class topic_reader;
    friend class topic_writer;

    IVSHMEM_HIDDEN explicit slot(std::shared_ptr<impl> claimed) noexcept;

    std::shared_ptr<impl> impl_;
};

} // namespace ivshmem
