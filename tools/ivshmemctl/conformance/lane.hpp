// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "conformance/other_side.hpp"
#include "conformance/rule.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace ivshmemctl::conformance {

/// How a lane is opened.
struct opening {
    std::uint32_t limit = 0xffffffffU;      ///< the longest message that this side takes
    bool sleeps = false;                    ///< this side asks for rings; else it polls
    std::optional<std::uint32_t> service{}; ///< instead of the key of the service
    std::optional<std::uint32_t> number{};  ///< of the lane, instead of one that is closed
};

/// A record that the peer sent.
struct record {
    std::uint32_t kind = 0, length = 0, total = 0, place = 0;
    std::string bytes{};
};

/// Returns bytes of which none is 0, and in which one that is lost or moved shows.
std::string pattern(std::size_t size, std::size_t seed = 0);
/// Returns the bytes that a record takes in the ring.
constexpr std::uint32_t size_of_record(std::uint32_t length) {
    return 8 + ((length + 7) & ~7U);
}

/// The own end of a lane to the peer, and what it can do on it, right or wrong.
class lane {
  public:
    /// Opens a lane that is closed on the side of the peer, and rings.
    explicit lane(other_side& side, const opening& how = {});
    lane(const lane&) = delete;
    lane& operator=(const lane&) = delete;
    /// Closes.
    ~lane();

    [[nodiscard]] words mine() const { return mine_; }
    [[nodiscard]] words theirs() const { return theirs_; }
    [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
    [[nodiscard]] std::uint32_t tail() const { return tail_; }
    [[nodiscard]] std::uint32_t position() const { return position_; }
    [[nodiscard]] unsigned pads() const { return pads_; } ///< that the peer has sent
    [[nodiscard]] std::uint32_t peer_limit() const { return theirs_.look(in_block::limit); }

    /// Opens again, and rings.
    void open();
    /// Waits until the peer has opened the lane. @throws broken It does not.
    void await_opening();
    /// Connects. @throws broken The peer does not.
    void connect();
    /// Ends the own half, in the ways of the flags.
    void end(std::uint32_t flags);

    /// Writes a record, right or wrong, in any case at the tail. @param shown Publishes its head;
    /// else that is done by show(). @return Where it is.
    std::uint32_t put(std::uint32_t kind, std::uint32_t length, std::uint32_t total,
                      const std::string& bytes = {}, bool shown = true);
    void show(std::uint32_t place, std::uint32_t kind, std::uint32_t length) const;
    /// Writes any word as the head at the tail.
    void put_head(std::uint32_t head) const;
    /// Rings, if the peer asks for it.
    void ring_for_data();
    /// Whether there is room for a record, and a head after it, at the tail.
    bool has_room(std::uint32_t length);
    /// Sends a message, in parts of a quarter of the ring if it is longer than half. Waits for
    /// room.
    /// @throws not_shown It is over the limit of the peer.
    void send(const std::string& bytes);

    /// Returns the next record, without waiting; pads are checked, and left out.
    /// @throws broken Its form is wrong.
    std::optional<record> take();
    /// Publishes the position as cursor, and rings if the peer waits for room.
    void free_room();
    /// Waits for a message. @throws broken It does not come, or is none.
    std::string receive();
    /// Sends a message, and requires its answer to be the same.
    void echo(const std::string& bytes);
    /// Waits until the peer has closed the lane. @throws broken It does not, or gives a reason.
    void await_close();
    /// Publishes `wake` with a new value. @return It.
    std::uint32_t arm(std::uint32_t what, std::uint32_t room = 0);

  private:
    [[nodiscard]] std::string name() const;
    void check(const record& found, std::uint32_t head) const;
    [[nodiscard]] std::uint32_t place_of(std::uint32_t position) const;

    other_side& side_;
    opening how_;
    std::uint32_t number_;
    words mine_, theirs_;
    std::uint32_t epoch_ = 0, tail_ = 0, seen_ = 0, position_ = 0, answered_ = 0, armings_ = 0;
    std::uint32_t remaining_ = 0;
    unsigned pads_ = 0;
};

/// Lets a message go there and back on another lane: a peer that would still have done something
/// else has done it then. @throws not_shown There is only one lane.
void pass_a_message(other_side& side);
/// Requires that the peer takes messages of that size.
void need_limit(const lane& on, std::uint32_t size);
/// Requires that the device reports rings.
void need_rings(const other_side& side);

} // namespace ivshmemctl::conformance
