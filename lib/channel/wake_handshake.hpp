// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"

#include <cstdint>

namespace ivshmem {

/// Both sides of the wake handshake for one end of a channel (channel-layout.md, "Sleeping"). A
/// side that goes to sleep publishes that, then looks for records once more. A side that publishes
/// a record then looks whether the peer sleeps. So at least one of them sees the other's store.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Words>
class wake_handshake {
  public:
    wake_handshake() = default;
    wake_handshake(const Words& mine, const Words& theirs) : mine_{mine}, theirs_{theirs} {}

    /// Starts a new session, in which neither side has asked yet.
    void restart() noexcept { answered_ = wanted_ = 0; }

    /// Asks to be rung. The caller must look once more, after this, for the event that it waits
    /// for.
    /// @param what wake_data, wake_room or both. @param room The cursor at which to ring.
    void ask(std::uint32_t what, std::uint32_t room, std::uint32_t vector) {
        asked_ = (asked_ + 1) & layout::wake_count_mask;
        wanted_ = what;
        if ((what & layout::wake_room) != 0)
            mine_.store(layout::block::room, room);
        mine_.publish(layout::block::wake, what | asked_ << layout::wake_count_shift |
                                               vector << layout::wake_vector_shift);
        Words::fence();
    }
    /// Withdraws the request: this side is awake again.
    void withdraw() {
        if (wanted_ == 0)
            return;
        wanted_ = 0;
        mine_.store(layout::block::wake, 0);
    }

    /// Called after records were published.
    /// @return The peer's wake word if the caller must ring now, else 0.
    [[nodiscard]] std::uint32_t to_ring_for_data() {
        Words::fence();
        const std::uint32_t word = theirs_.load(layout::block::wake);
        return (word & layout::wake_data) != 0 && word != answered_ ? answered_ = word : 0;
    }
    /// Called after the cursor was published.
    /// @return As to_ring_for_data().
    [[nodiscard]] std::uint32_t to_ring_for_room(std::uint32_t cursor) {
        Words::fence();
        // Read before room, which the peer stored before it.
        const std::uint32_t word = theirs_.look(layout::block::wake);
        return (word & layout::wake_room) != 0 && word != answered_ &&
                       cursor - theirs_.load(layout::block::room) < 1U << 31U
                   ? answered_ = word
                   : 0;
    }
    /// The word that was answered with a ring, if the peer still sleeps; else 0.
    [[nodiscard]] std::uint32_t still_asleep() const {
        return answered_ != 0 && theirs_.load(layout::block::wake) == answered_ ? answered_ : 0;
    }

  private:
    Words mine_{};
    Words theirs_{};
    std::uint32_t answered_ = 0; ///< the wake word that was last rung for
    std::uint32_t asked_ = 0;    ///< the number of requests of this side
    std::uint32_t wanted_ = 0;   ///< the events of the current request; 0: none
};

} // namespace ivshmem
