// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "conformance/lane.hpp"

#include <cstdint>
#include <vector>

namespace ivshmemctl::conformance {

/// The peer under test, which is ended, and comes again.
///
/// Between end() and await_return() the peer holds no slot, and what it does when it comes is up to
/// what this side has put into the memory.
class newcomer {
  public:
    /// @throws not_shown The peer does not start again by itself.
    explicit newcomer(other_side& side);
    newcomer(const newcomer&) = delete;
    newcomer& operator=(const newcomer&) = delete;
    /// Takes away what this side has put into the memory.
    ~newcomer();

    /// From now on, the peer may end.
    void expect_end();
    /// Takes the slot of the peer, as a peer that claimed it would. @return The new incarnation.
    std::uint32_t take_slot();
    /// Gives the slot that was taken back.
    void give_slot_back();
    /// Rings the peer that lost its slot.
    void ring() const;
    /// Waits until the peer holds a slot, and offers the service. Notes its key.
    /// @throws broken It does not.
    void await_return();

    /// Puts words into the memory, until undo().
    void put(const words& at, std::size_t offset, std::uint32_t value);
    void undo();

    /// Requires that no peer takes a slot, as often as one may have tried.
    void require_refusal(const char* because);

    /// The header of the slot that the peer had.
    [[nodiscard]] words slot() const { return slot_; }
    /// Whether a peer that is not this side holds a slot, or one has joined the server since the
    /// last call of watch_arrivals().
    [[nodiscard]] bool is_elsewhere() const;
    [[nodiscard]] unsigned arrivals();
    void watch_arrivals();

  private:
    /// Waits until the peer has seen that it lost the slot.
    void settle();
    [[nodiscard]] std::vector<std::uint64_t> others() const;

    other_side& side_;
    words slot_;
    std::uint32_t old_id_ = 0, old_attention_ = 0;
    std::uint32_t taken_ = 0; ///< the incarnation under which this side holds the peer's slot
    struct change {
        words at;
        std::uint32_t before, after;
    };
    std::vector<change> changes_{};
    std::vector<std::uint16_t> ids_{};
    unsigned arrivals_ = 0;
};

} // namespace ivshmemctl::conformance
