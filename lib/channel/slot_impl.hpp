// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/fair_share.hpp"
#include "channel/division.hpp"
#include "channel/layout.hpp"
#include "channel/own_slots.hpp"
#include "channel/shared_words.hpp"
#include "channel/slot_heartbeat.hpp"
#include "channel/slot_topics.hpp"
#include "device/device_impl.hpp"

#include <ivshmem/service_directory.hpp>
#include <ivshmem/slot.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ivshmem {

/// A claimed slot: the addresses of the sections, the peers to ring, and the lanes that are open in
/// this process.
class slot::impl {
  public:
    using words = shared_words;

    /// A slot to claim. It is not held before move_in().
    impl(std::shared_ptr<device::impl> at, const division& of_memory, std::uint32_t number,
         std::uint32_t incarnation, const slot_options& options);
    impl(const impl&) = delete;
    impl& operator=(const impl&) = delete;
    ~impl() { leave(); }

    /// Reserves the slot among the programs of this machine that share the device; leave() gives it
    /// back.
    void reserve(failure& f);
    /// The last step of "Claiming a slot" of channel-layout.md.
    void move_in();

    [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
    [[nodiscard]] std::uint32_t incarnation() const noexcept { return incarnation_; }
    [[nodiscard]] const region_geometry& geometry() const noexcept { return division_.geometry; }
    [[nodiscard]] const division& divided() const noexcept { return division_; }
    [[nodiscard]] std::span<std::byte> application_memory() const noexcept;
    [[nodiscard]] std::uint16_t vector() const noexcept { return vector_; }
    [[nodiscard]] std::uint32_t interrupts() const noexcept {
        return device_->facts().capabilities.interrupts;
    }
    [[nodiscard]] bool can_ring() const noexcept { return device_->facts().capabilities.ring; }
    /// False after the slot was given back or lost, or if it belongs to the parent process.
    [[nodiscard]] bool usable() const noexcept { return held_ && device_->page()->alive; }
    /// As usable(), before a step that writes to the own section: also looks whether another
    /// process has claimed the slot, which it can while this one is stopped, and ends here then.
    [[nodiscard]] bool still_held() {
        return usable() && (incarnation_of(number_) == incarnation_ || defend());
    }
    /// The two flags that usable() reads, for callers that check often.
    [[nodiscard]] const std::atomic<bool>* held() const noexcept { return &held_; }
    [[nodiscard]] const bool* alive() const noexcept { return &device_->page()->alive; }
    /// The reason for not being usable.
    [[nodiscard]] errc why_not() const noexcept;
    /// As slot::repairs().
    [[nodiscard]] std::uint32_t repairs() const noexcept { return repairs_; }

    /// As slot::answer_claims(), without the directory. Thread safe.
    bool answer_claims();
    [[nodiscard]] std::chrono::milliseconds heartbeat_period() const noexcept {
        return heartbeat_.period();
    }
    /// Leaves the slot if something else has written to its directory.
    bool check_directory();
    void leave() noexcept;
    /// As leave(), because something else has written to the own section.
    void leave_overwritten() noexcept;

    /// The incarnation in the header of another slot.
    [[nodiscard]] std::uint32_t incarnation_of(std::uint32_t slot) const {
        return header(slot).look(layout::header::incarnation);
    }
    /// Whether the holder with an incarnation has lost or left its slot: not if only the
    /// incarnation was overwritten, which that holder repairs.
    [[nodiscard]] bool has_changed_hands(std::uint32_t slot, std::uint32_t incarnation) const {
        return incarnation_of(slot) != incarnation &&
               header(slot).load(layout::header::claim) != incarnation;
    }
    [[nodiscard]] std::optional<slot_holder> find_holder(std::uint32_t slot) const;

    /// @name Peers that are lost
    /// @{

    /// Whether the holder of a slot beat once, and does so no more.
    [[nodiscard]] bool is_silent(std::uint32_t slot) const {
        return heartbeat_.is_silent(slot, header(slot));
    }
    /// On ivshmem-v2: whether the state of the peer that a slot belongs to is 0. Else false.
    [[nodiscard]] bool is_absent(std::uint32_t slot) const noexcept {
        const auto& v2 = device_->facts().v2;
        return v2 && v2->state_of(slot) == 0;
    }
    /// Whether the holder of a slot is silent or absent, or has left the server.
    [[nodiscard]] bool is_lost(std::uint32_t slot) const;
    /// @copydoc backend::departures
    [[nodiscard]] std::uint64_t departures() const noexcept { return device_->departures(); }
    /// @copydoc backend::last_departure
    [[nodiscard]] departure last_departure(std::uint16_t id) const {
        return device_->last_departure(id);
    }
    /// @copydoc backend::attend
    void attend() const { device_->attend(); }
    /// @}

    [[nodiscard]] words header(std::uint32_t slot) const {
        return slot == number_ ? own_section_ : all_.at(division_.begin_of(slot));
    }
    /// The block in the section of `owner` for `other`.
    [[nodiscard]] words block(std::uint32_t owner, std::uint32_t other, std::uint32_t lane) const;
    [[nodiscard]] std::uint64_t block_size() const noexcept;

    /// Whether a peer that knows topics has divided the section of a slot; it may have left.
    [[nodiscard]] bool has_topics(std::uint32_t slot) const;
    [[nodiscard]] slot_topics& topics() noexcept { return topics_; }
    [[nodiscard]] const slot_topics& topics() const noexcept { return topics_; }

    /// Rings the peer. Best effort; failure is ignored.
    void ring(std::uint16_t peer, std::uint16_t vector) const noexcept;
    /// Rings the holder of a slot that its header names.
    void ring_holder(std::uint32_t slot) const noexcept;
    void ring_everyone() const noexcept;

    /// The memory for messages of which parts are missing, by the peer's slot.
    [[nodiscard]] fair_share& memory_for_parts() noexcept { return memory_for_parts_; }

    /// @name Lanes that are open in this process
    /// @{
    bool take_lane(std::uint32_t peer, std::uint32_t lane);
    /// @param served The peer's epoch that the channel was connected to, or 0.
    void free_lane(std::uint32_t peer, std::uint32_t lane, std::uint32_t served) noexcept;
    [[nodiscard]] bool lane_taken(std::uint32_t peer, std::uint32_t lane) const noexcept;
    /// @}

    /// @name service_directory.cpp
    /// @{
    std::uint32_t offer(std::string_view name, failure& f);
    void withdraw(std::uint32_t key) noexcept;
    [[nodiscard]] service_directory::service
    find_service(std::string_view name, std::optional<std::uint32_t> in, failure& f) const;
    [[nodiscard]] std::optional<service_directory::request> find_request(std::uint32_t key);
    [[nodiscard]] bool is_requested(const service_directory::request& r, std::uint32_t key) const;
    [[nodiscard]] std::uint32_t find_lane(std::uint32_t to, failure& f) const;
    /// @}

  private:
    /// A service that this slot offers, as its directory entry stores it.
    struct offered {
        std::size_t index;
        std::uint32_t key;
        std::array<std::byte, layout::longest_name + 1> name;
    };

    /// The id to ring for a slot.
    [[nodiscard]] std::uint16_t id_of(std::uint32_t slot) const noexcept;
    void appear();
    void release() noexcept;
    [[nodiscard]] bool has_intact_header() const;
    bool defend();
    void watch_peers();
    [[nodiscard]] std::size_t lane_index(std::uint32_t peer, std::uint32_t lane) const noexcept;

    const std::shared_ptr<device::impl> device_;
    const division division_;
    const words all_;
    const words own_section_; ///< on ivshmem-v2 another mapping, because all_ may not be written
    const std::uint32_t number_;
    const std::uint32_t incarnation_;
    const std::uint16_t vector_;
    std::atomic<bool> held_{false};
    std::atomic<errc> ended_{errc::closed}; ///< the reason for not holding the slot
    std::atomic<bool> overwritten_{false};
    bool reserved_ = false; ///< among the programs that share the device
    bool appeared_ = false; ///< it has set the state of the device
    std::atomic<std::uint32_t> repairs_{0};
    fair_share memory_for_parts_;
    slot_heartbeat heartbeat_;
    slot_topics topics_;
    std::atomic<std::chrono::steady_clock::rep> attend_at_{0};
    std::optional<own_slot> own_; ///< while it is held
    std::vector<offered> offers_;
    std::vector<bool> open_lanes_;
    std::vector<std::uint32_t> served_; ///< the argument of free_lane()
    std::size_t next_request_ = 0;      ///< a lane in open_lanes_
    std::uint32_t next_key_ = 0;        ///< starts at random: each incarnation has other keys
};

/// Runs a step that may fail, in a slot that must be usable for it.
template <typename Step>
auto in_usable(slot::impl* claimed, failure& f, Step step) -> decltype(step(*claimed)) {
    if (claimed != nullptr && claimed->usable())
        return step(*claimed);
    const errc why = claimed == nullptr ? errc::closed : claimed->why_not();
    f.set(why, "slot: {}", make_error_code(why).message());
    return {};
}

/// As in_usable(), for a step that writes to the own section.
template <typename Step>
auto in_held(slot::impl* claimed, failure& f, Step step) -> decltype(step(*claimed)) {
    if (claimed != nullptr)
        static_cast<void>(claimed->still_held());
    return in_usable(claimed, f, step);
}

} // namespace ivshmem
