// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "conformance/words.hpp"

#include <ivshmem/device.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ivshmemctl::conformance {

using milliseconds = std::chrono::milliseconds;

/// How the tool plays.
struct play {
    std::string service = "echo";
    milliseconds time_limit{5000};           ///< of each rule
    milliseconds claim_time{250};            ///< in which a claim must be answered
    bool restarts = false;                   ///< the peer starts again when it ends
    std::function<ivshmem::device()> join{}; ///< opens the device once more
};

/// Returns the offsets of the headers of slots that are held; if any is consistent with its place,
/// only those.
std::vector<std::uint64_t> find_headers(const ivshmem::device& device);

/// The part for topics of each section of a region. Offsets count from the start of the section.
struct topics_part {
    static constexpr std::uint32_t numbers = 16; ///< topics of a slot

    std::uint64_t rows = 0, room = 0, end = 0;

    [[nodiscard]] bool exists() const { return room + 1024 <= end; }
    [[nodiscard]] std::size_t wanted(std::uint32_t slot, std::uint32_t number) const {
        return rows + slot * std::size_t{128} + number * std::size_t{4};
    }
    [[nodiscard]] std::size_t entry(std::uint32_t number) const {
        return room - (numbers - number) * std::size_t{256};
    }
};

/// The other side of the peer under test: a slot, written word by word, without the library.
class other_side {
  public:
    /// @param header The offset of the peer's header in the memory.
    other_side(ivshmem::device& device, const play& how, std::uint64_t header);
    other_side(const other_side&) = delete;
    other_side& operator=(const other_side&) = delete;
    /// Gives the slot back.
    ~other_side();

    /// Takes a free slot of the peer's region. @pre The header rules hold.
    /// @throws std::runtime_error There is none.
    void take_slot();

    [[nodiscard]] ivshmem::device& device() const { return device_; }
    [[nodiscard]] const play& how() const { return how_; }
    [[nodiscard]] words memory() const { return words{device_.memory().data()}; }
    [[nodiscard]] std::uint64_t memory_size() const { return device_.memory().size(); }
    [[nodiscard]] std::uint64_t header_offset() const { return at_; }
    /// The header of the peer, and the own one.
    [[nodiscard]] words theirs() const { return theirs_; }
    [[nodiscard]] words mine() const { return mine_; }
    [[nodiscard]] words their_block(std::uint32_t lane) const;
    [[nodiscard]] words my_block(std::uint32_t lane) const;
    [[nodiscard]] std::uint32_t slots() const { return slots_; }
    [[nodiscard]] std::uint32_t lanes() const { return lanes_; }
    [[nodiscard]] std::uint32_t ring_size() const { return ring_size_; }
    [[nodiscard]] std::uint32_t slot() const { return slot_; }
    [[nodiscard]] std::uint32_t peer_slot() const { return peer_slot_; }
    [[nodiscard]] std::uint32_t peer_id() const { return theirs_.look(in_header::peer); }
    [[nodiscard]] std::uint32_t incarnation() const { return incarnation_; }
    [[nodiscard]] std::uint32_t peer_incarnation() const { return peer_incarnation_; }
    [[nodiscard]] const topics_part& topics() const { return topics_; }
    /// The key of the service, in the directory of the peer; 0: there is none.
    [[nodiscard]] std::uint32_t key() const;
    /// The header of a slot.
    [[nodiscard]] words header(std::uint32_t number) const;
    /// From now on, the peer may leave; until meet().
    void expect_end() { leaving_ = true; }
    [[nodiscard]] bool has_peer() const { return !leaving_; }
    /// Plays with the peer of this header, which divides the region as the one before.
    /// @throws broken It does not.
    void meet(std::uint64_t header);
    /// The names of all services of the peer.
    [[nodiscard]] std::vector<std::string> services() const;

    /// Joins the server once more. @throws not_shown The device is not at a server.
    [[nodiscard]] ivshmem::device join_again() const;

    /// Starts the time of a rule. @param more In addition to the time limit.
    void start_rule(milliseconds more = milliseconds{0});
    /// Waits until the condition holds. @return Whether it does, in the rest of the time.
    [[nodiscard]] bool wait(const std::function<bool()>& holds) const;
    /// "within 5000 ms", for messages.
    [[nodiscard]] std::string in_time() const;

    /// Rings the peer on a vector, or as its header asks.
    void ring(std::uint32_t vector) const;
    void ring() const;
    /// Whether the device reports rings.
    [[nodiscard]] bool can_be_rung() const { return device_.capabilities().interrupts != 0; }
    /// Takes the rings that have arrived.
    [[nodiscard]] std::uint64_t take_rings() const;
    /// Asks in the header to be rung, if the device can be, or not to be.
    void ask_for_rings(bool rung) const;

  private:
    void watch_peer() const;
    void write_header(std::uint32_t number) const;
    void clear(std::uint32_t number) const;
    [[nodiscard]] std::size_t block_offset(std::uint32_t owner, std::uint32_t other,
                                           std::uint32_t lane) const;

    ivshmem::device& device_;
    play how_;
    std::uint64_t at_;
    words theirs_, mine_;
    std::uint64_t section_ = 0, region_ = 0;
    topics_part topics_{};
    std::uint32_t slots_ = 0, lanes_ = 0, ring_size_ = 0, peer_slot_ = 0, slot_ = 0;
    std::uint32_t peer_incarnation_ = 0, incarnation_ = 0;
    bool listed_ = false;  ///< the server knows the peer
    bool leaving_ = false; ///< its end is expected
    std::chrono::steady_clock::time_point end_{};
};

} // namespace ivshmemctl::conformance
