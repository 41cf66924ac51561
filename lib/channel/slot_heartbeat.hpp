// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"
#include "channel/shared_words.hpp"

#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

namespace ivshmem {

/// The words of a header that say whether its holder beats ("Heartbeat" of channel-layout.md).
struct beat_words {
    beat_words() = default;
    explicit beat_words(const shared_words& header) noexcept
        : incarnation{header.look(layout::header::incarnation)},
          beating{header.load(layout::header::beating)}, heartbeat{header.load(
                                                             layout::header::heartbeat)} {}

    [[nodiscard]] std::chrono::milliseconds period() const noexcept {
        return std::chrono::milliseconds{heartbeat & layout::heartbeat_period};
    }
    /// Whether this very holder beats: memory that was used before may contain anything.
    [[nodiscard]] bool are_of_a_holder() const noexcept {
        return incarnation != 0 && beating == incarnation && period().count() != 0;
    }

    bool operator==(const beat_words&) const = default;

    std::uint32_t incarnation = 0;
    std::uint32_t beating = 0;
    std::uint32_t heartbeat = 0;
};

/// Judges whether one peer still beats, by this side's own clock.
///
/// Counts the silence that it has looked at, and at most one period for each look: after a pause of
/// this process or of the whole machine the peer has the same time as before.
class beat_judge {
  public:
    using clock = std::chrono::steady_clock;

    /// Looks at a header. @param own The period of this side, at least as long as that of the peer
    /// counts.
    void look(const beat_words& now, std::chrono::milliseconds own, clock::time_point at) noexcept;
    /// Whether the peer was silent for too long, and still is. @param now Its header.
    [[nodiscard]] bool is_silent(const beat_words& now,
                                 std::chrono::milliseconds own) const noexcept;

  private:
    beat_words last_;
    clock::duration silence_{};
    clock::time_point looked_at_;
};

/// The beats of a slot, and of its peers.
///
/// @par Thread Safety
/// Safe.
class slot_heartbeat {
  public:
    using clock = std::chrono::steady_clock;
    /// Shorter than the time that each caller of update() may let pass would be lost by accident.
    static constexpr std::chrono::milliseconds shortest{100};
    static constexpr std::chrono::milliseconds longest{60'000};

    /// @param period 0: off.
    slot_heartbeat(std::chrono::milliseconds period, std::uint32_t slots)
        : period_{period}, peers_(is_on() ? slots : 0) {}

    [[nodiscard]] bool is_on() const noexcept { return period_.count() != 0; }
    [[nodiscard]] std::chrono::milliseconds period() const noexcept { return period_; }

    /// Writes the first beat into the header of a slot that is being claimed.
    void begin(const shared_words& own, std::uint32_t incarnation);
    /// Writes a beat if it is due. @return Whether it was.
    bool beat(const shared_words& own, clock::time_point now);
    /// Looks at the header of a peer. Call it after each beat.
    void look(std::uint32_t slot, const shared_words& theirs, clock::time_point now);
    [[nodiscard]] bool is_silent(std::uint32_t slot, const shared_words& theirs) const;

  private:
    void write(const shared_words& own);

    const std::chrono::milliseconds period_;
    mutable std::mutex mutex_; ///< guards all members below
    std::uint32_t count_ = 0;
    clock::time_point due_;
    std::vector<beat_judge> peers_; ///< by slot
};

} // namespace ivshmem
