// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"

#include <ivshmem/layout_violation.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ivshmem {

/// The sending end of a ring (channel-layout.md, "A ring"). Keeps its indices in private memory.
/// Reads only the cursor of the peer, once each time, and checks that it is possible.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Words>
class ring_producer {
  public:
    ring_producer() = default;
    /// @param mine The block that holds the ring. @param theirs Its mirror image.
    /// @param size Of the ring: a power of two. @param start The first position.
    ring_producer(const Words& mine, const Words& theirs, std::uint32_t size,
                  std::uint32_t start = 0)
        : mine_{mine}, theirs_{theirs}, size_{size}, cursor_{start}, first_{start} {}

    /// The longest payload of one record, which takes half of the ring with its header.
    [[nodiscard]] std::uint32_t longest_record() const noexcept {
        return size_ / 2 - layout::record_header;
    }

    /// Makes room for a record of `length` bytes, at most longest_record(). The caller must write
    /// the payload at payload() between this and stage().
    /// @return Whether there is room; false also after a fault.
    [[nodiscard]] bool reserve(std::uint32_t length) {
        const std::uint32_t size = layout::record_size(length);
        const std::uint32_t to_end = size_ - place(tail());
        pad_ = size > to_end ? to_end : 0;
        needed_ = pad_ + size + layout::record_header; // the head after it must be cleared
        return fits() || (look_at_cursor() && fits());
    }
    /// Whether there was room for the last reserve() when the cursor was last read.
    [[nodiscard]] bool fits() const noexcept { return size_ - (tail() - cursor_) >= needed_; }
    /// The place of the payload: an offset in `mine`.
    [[nodiscard]] std::size_t payload() const noexcept {
        return layout::block::ring + place(tail() + pad_) + layout::record_header;
    }
    /// Completes the record, which stays invisible to the peer until publish().
    /// @param length At most the reserved length. @param total As defined by the layout.
    void stage(std::uint32_t length, layout::kind kind, std::uint32_t total) {
        const std::uint32_t size = layout::record_size(length);
        if (pad_ != 0) {
            mark(pad_ - layout::record_header, layout::kind::pad);
            staged_ += pad_;
            pad_ = 0;
        }
        mine_.store(layout::block::ring + place(tail()) + layout::record_total, total);
        mark(length, kind);
        staged_ += size;
        prepare(size);
    }
    /// Makes all staged records visible to the peer.
    void publish() {
        if (staged_ == 0)
            return;
        mine_.store(layout::block::ring + place(tail()), 0);
        mine_.publish(layout::block::ring + place(first_), first_head_);
        first_ = tail();
        staged_ = 0;
    }

    /// Writes a whole message and publishes it: reserve(), stage() and publish() in one step, for
    /// the usual case.
    /// @param write Called as write(mine, std::size_t offset).
    /// @return false if it is not usual, and nothing has happened: there are staged records, or
    /// there may be no room, or a pad must come first, or the memory is write-combining.
    template <typename Write>
    [[nodiscard, gnu::always_inline]] bool send(std::uint32_t length, Write&& write) {
        const std::uint32_t size = layout::record_size(length);
        const std::uint32_t at = place(first_);
        const Words mine = mine_; // a copy: the stores below do not change it
        if (staged_ != 0 || mine.combining() || size > size_ - at ||
            size_ - (first_ - cursor_) < size + layout::record_header) [[unlikely]]
            return false;
        const std::uint32_t next = first_ + size;
        const std::uint32_t mask = size_ - 1;
        mine.prefetch_to_write(layout::block::ring + ((next + ahead) & mask));
        first_ = next;
        write(mine, layout::block::ring + at + layout::record_header);
        mine.store(layout::block::ring + (next & mask), 0);
        mine.publish(layout::block::ring + at, layout::record_valid | length, length);
        if (size > 2 * line)
            prepare(size - line);
        return true;
    }

    /// Reads the peer's cursor. @return false after a fault.
    bool look_at_cursor() {
        const std::uint32_t seen = theirs_.look(layout::block::cursor);
        if (seen - cursor_ > first_ - cursor_ || seen % 8 != 0) {
            fault_ = layout_violation::cursor;
            return false;
        }
        cursor_ = seen;
        return true;
    }
    /// The end of the published records.
    [[nodiscard]] std::uint32_t end() const noexcept { return first_; }
    /// Whether the peer had read all published records when its cursor was last read.
    [[nodiscard]] bool drained() const noexcept { return cursor_ == first_; }
    /// Bytes of the ring, record headers included, that the peer had not read when its cursor was
    /// last read.
    [[nodiscard]] std::uint32_t unread() const noexcept { return first_ - cursor_; }
    /// Whether the first unread record is still intact: not if something else has written to the
    /// ring. @pre unread() != 0
    [[nodiscard]] bool has_unread_record() const {
        return (mine_.load(layout::block::ring + place(cursor_)) & layout::record_valid) != 0;
    }
    /// The cursor at which there is room for the record that reserve() refused, and for half of the
    /// ring.
    [[nodiscard]] std::uint32_t room_position() const noexcept {
        return tail() - std::min(size_ / 2, size_ - needed_);
    }
    [[nodiscard]] layout_violation fault() const noexcept { return fault_; }

  private:
    /// How far behind the last record lines are fetched before they are written to. The peer had
    /// them last, so that each would cost a transfer, one after the other. Measured on an AMD EPYC:
    /// a smaller distance does not hide the transfers; a larger one takes lines away from a peer
    /// that is close behind.
    static constexpr std::uint32_t ahead = 768;
    static constexpr std::uint32_t line = 64;

    /// Fetches the lines that the last record, which takes `size` bytes, has brought into reach.
    void prepare(std::uint32_t size) const {
        const auto next_line = [](std::uint32_t at) {
            return (at + line - 1) & ~(line - 1);
        };
        const std::uint32_t end = tail() + ahead;
        for (std::uint32_t at = next_line(end - std::min(size, ahead)); at != next_line(end);
             at += line)
            mine_.prefetch_to_write(layout::block::ring + place(at));
    }
    [[nodiscard]] std::uint32_t tail() const noexcept { return first_ + staged_; }
    [[nodiscard]] std::uint32_t place(std::uint32_t position) const noexcept {
        return position & (size_ - 1);
    }
    /// Stores the head of a record; that of the first staged record waits for publish().
    void mark(std::uint32_t length, layout::kind kind) {
        const std::uint32_t head = layout::record_valid |
                                   static_cast<std::uint32_t>(kind) << layout::record_kind_shift |
                                   length;
        if (staged_ == 0)
            first_head_ = head;
        else
            mine_.store(layout::block::ring + place(tail()), head);
    }

    Words mine_{};
    Words theirs_{};
    std::uint32_t size_ = 0;
    std::uint32_t cursor_ = 0; ///< the peer's, the last one that passed the check
    std::uint32_t first_ = 0;  ///< the end of the published records
    std::uint32_t staged_ = 0; ///< bytes of the records behind them
    std::uint32_t first_head_ = 0;
    std::uint32_t pad_ = 0;
    std::uint32_t needed_ = 0;
    layout_violation fault_ = layout_violation::none;
};

} // namespace ivshmem
