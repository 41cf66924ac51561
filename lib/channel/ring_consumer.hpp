// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"

#include <ivshmem/layout_violation.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace ivshmem {

/// A record at the front of a ring: a private copy of its header, checked.
struct ring_record {
    std::size_t payload = 0; ///< an offset in the block of the peer
    std::uint32_t length = 0;
    std::uint32_t total = 0; ///< bytes of the message from this record on
    layout::kind kind = layout::kind::last;
};

/// The receiving end of a ring (channel-layout.md, "A ring"). Reads each word of the peer once, and
/// never reads outside the ring, whatever the word holds.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Words>
class ring_consumer {
  public:
    ring_consumer() = default;
    /// @param theirs The block that holds the ring. @param mine Its mirror image.
    /// @param size Of the ring: a power of two. @param limit Of a message, in bytes.
    ring_consumer(const Words& mine, const Words& theirs, std::uint32_t size, std::uint32_t limit,
                  std::uint32_t start = 0)
        : mine_{mine}, theirs_{theirs}, size_{size}, limit_{limit}, position_{start}, cursor_{
                                                                                          start} {}

    /// Reads the record at the front, if there is one. Each call reads the header again, and a peer
    /// may change it: call this once for each record, and keep the result.
    /// @return Whether there is one; false also after a fault.
    [[nodiscard]] bool front(ring_record& record) {
        if (fault_ != layout_violation::none)
            return false;
        for (;;) {
            const std::uint32_t place = position_ & (size_ - 1);
            const std::uint32_t head = theirs_.look(layout::block::ring + place);
            if (head == 0) {
                if (get_behind())
                    continue;
                return false;
            }
            record.kind = static_cast<layout::kind>(head >> layout::record_kind_shift & 3U);
            record.length = head & layout::record_length;
            const std::uint32_t size = layout::record_size(record.length);
            if ((head & layout::record_valid) == 0 || size > size_ - place)
                return fail(layout_violation::record);
            if (record.kind == layout::kind::pad) {
                if (place == 0 || size != size_ - place)
                    return fail(layout_violation::sequence);
                position_ += size; // to the start of the ring, where a pad is not allowed
                continue;
            }
            record.payload = layout::block::ring + place + layout::record_header;
            record.total = theirs_.load(layout::block::ring + place + layout::record_total);
            return plausible(record);
        }
    }
    /// Reads a whole message and removes it: front() and pop() in one step, for the usual case.
    /// @param takes Called as takes(std::uint32_t length): whether read can take so many bytes.
    /// @param read Called as read(theirs, std::size_t offset, std::uint32_t length).
    /// @return false if it is not usual, and nothing has happened: front() finds out more.
    template <typename Takes, typename Read>
    [[nodiscard, gnu::always_inline]] bool receive(Takes&& takes, Read&& read) {
        const std::uint32_t place = position_ & (size_ - 1);
        if (fault_ != layout_violation::none || in_message()) [[unlikely]]
            return false;
        const Words theirs = theirs_; // a copy: the stores below do not change it
        const std::uint32_t head = theirs.look(layout::block::ring + place);
        const std::uint32_t length = head & layout::record_length;
        const std::uint32_t size = layout::record_size(length);
        if (head != (layout::record_valid | length) || !takes(length) || size > size_ - place ||
            length > limit_ ||
            theirs.load(layout::block::ring + place + layout::record_total) != length) [[unlikely]]
            return false;
        position_ += size;
        ++streak_;
        read(theirs, layout::block::ring + place + layout::record_header, length);
        return true;
    }
    /// Removes the record that front() returned.
    void pop(const ring_record& record) {
        ++streak_;
        position_ += layout::record_size(record.length);
        remaining_ = record.kind == layout::kind::part ? record.total - record.length : 0;
    }
    /// Whether there is no record at the front now.
    [[nodiscard]] bool empty() const {
        return theirs_.look(layout::block::ring + (position_ & (size_ - 1))) == 0;
    }
    /// Whether parts of a message were popped, but not its last part.
    [[nodiscard]] bool in_message() const noexcept { return remaining_ != 0; }

    /// Whether enough was read to publish the cursor.
    [[nodiscard]] bool release_due() const noexcept { return position_ - cursor_ >= size_ / 8; }
    /// Whether the cursor covers all records that were read.
    [[nodiscard]] bool released() const noexcept { return position_ == cursor_; }
    /// Publishes the cursor, which gives the peer the room of popped records back.
    void release() {
        cursor_ = position_;
        mine_.publish(layout::block::cursor, cursor_);
    }
    /// The position of the last release().
    [[nodiscard]] std::uint32_t cursor() const noexcept { return cursor_; }
    [[nodiscard]] layout_violation fault() const noexcept { return fault_; }

  private:
    /// As many records without a gap are a stream. Fewer may be an exchange of messages, whose
    /// every nanosecond counts.
    static constexpr std::uint32_t stream = 4;

    /// Lets a stream that was caught up with get ahead. Each look at a line that the peer is about
    /// to write takes it away from the peer: a receiver that is always close behind would slow both
    /// down to a transfer of each line there and back.
    /// @return Whether to look again.
    bool get_behind() {
        const bool streams = streak_ >= stream;
        streak_ = 0;
        if (streams)
            Words::pause();
        return streams;
    }
    bool fail(layout_violation what) noexcept {
        fault_ = what;
        return false;
    }
    bool plausible(const ring_record& record) {
        switch (record.kind) {
        case layout::kind::abandon:
            return record.length == 0 && in_message() ? true : fail(layout_violation::sequence);
        case layout::kind::part:
            if (record.length == 0 || record.length >= record.total)
                return fail(layout_violation::total);
            break;
        default:
            if (record.length != record.total)
                return fail(layout_violation::total);
        }
        if (in_message() && record.total != remaining_)
            return fail(layout_violation::total);
        if (record.total > limit_)
            return fail(layout_violation::limit);
        return true;
    }

    Words mine_{};
    Words theirs_{};
    std::uint32_t size_ = 0;
    std::uint32_t limit_ = 0;
    std::uint32_t position_ = 0;
    std::uint32_t cursor_ = 0;    ///< the last position that was published
    std::uint32_t streak_ = 0;    ///< records since the ring was last found empty
    std::uint32_t remaining_ = 0; ///< bytes of the current message that are still to come
    layout_violation fault_ = layout_violation::none;
};

} // namespace ivshmem
