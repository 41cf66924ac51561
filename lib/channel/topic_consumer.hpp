// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"
#include "channel/topic_area.hpp"
#include "channel/topic_number.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace ivshmem {

/// A message of a topic: a private copy of its entry in the index, checked.
struct topic_record {
    std::uint64_t number = 0;  ///< from 1
    std::uint64_t time = 0;    ///< of the writer: nanoseconds since 1970
    std::uint64_t payload = 0; ///< an offset in the section of the writer
    std::uint64_t skipped = 0; ///< messages before it that were not read
    std::uint32_t length = 0;
    bool early = false; ///< it is older than where this side began
};

/// The reading end of a topic ("Topics" of channel-layout.md). Writes nothing. Reads each word once
/// for each message, and returns no record that leaves the data, whatever the words hold.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Words>
class topic_consumer {
  public:
    topic_consumer() = default;
    /// @param section That of the writer. @param place A topic there, checked. @param key Its key.
    topic_consumer(const Words& section, const topic_place& place, std::uint32_t key)
        : section_{section}, place_{place}, key_{key} {}

    /// Begins with the first message of the topic.
    void start_with_first() noexcept { started_ = true; }
    /// Begins with the messages after those that are there, except for some of those.
    /// @param history How many of them.
    /// @return false if the newest message cannot be read now: call it again.
    [[nodiscard]] bool start_with_next(std::uint64_t history) {
        for (int attempt = 0; attempt < attempts; ++attempt) {
            const std::uint32_t newest = look_at_newest();
            if (first_seen_ == 0)
                first_seen_ = newest;
            topic_record last;
            if (newest != 0 && (!read(newest, last) || mark(last.number) != newest))
                continue;
            const std::uint32_t oldest = section_.look(place_.entry + layout::topic::oldest);
            const std::uint64_t kept =
                newest == 0 ? 0 : std::min({history, last.number, kept_between(oldest, newest)});
            // Since the first call: no message that came after it is left out.
            const std::uint64_t came = std::min<std::uint64_t>(
                last.number, (newest - first_seen_) & layout::topic_mark_number);
            next_ = last.number + 1 - std::max(kept, came);
            present_ = last.number;
            started_ = true;
            drained_ = false;
            return true;
        }
        return false;
    }
    [[nodiscard]] bool started() const noexcept { return started_; }

    /// Reads the next message. If it was overwritten, continues in the middle of those that are
    /// left, so that the writer does not overtake this side again at once.
    /// @return Whether there is one; false also after a fault.
    [[nodiscard]] bool next(topic_record& record) {
        for (int attempt = 0; started_ && attempt < attempts; ++attempt) {
            if (read(next_, record) && record.number == next_)
                return take(record);
            const std::uint32_t newest = look_at_newest();
            if (broken_ || newest == 0 || newest == mark_before(next_))
                return false;
            if (read(next_, record) && record.number == next_) // it came in the meantime
                return take(record);
            topic_record last;
            if (!read(newest, last) || mark(last.number) != newest || last.number < next_)
                continue;
            const std::uint32_t oldest = section_.look(place_.entry + layout::topic::oldest);
            const std::uint64_t middle = std::max(
                next_, last.number - std::min(last.number, kept_between(oldest, newest) / 2));
            if (!read(middle, record) || record.number != middle)
                record = last;
            return take(record);
        }
        return false;
    }
    /// Reads the newest message, unless it was read already.
    /// @return As next().
    [[nodiscard]] bool latest(topic_record& record) {
        for (int attempt = 0; started_ && attempt < attempts; ++attempt) {
            const std::uint32_t newest = look_at_newest();
            if (broken_ || newest == 0)
                return false;
            if (!read(newest, record) || mark(record.number) != newest)
                continue;
            if (record.number >= next_)
                return take(record);
            if (record.number != present_)
                return false;
            present_ = 0;
            drained_ = false;
            record.early = true;
            return true;
        }
        return false;
    }
    /// Whether nothing has written over a message since its record was read. What was read of it
    /// before this call is what the writer published, if the writer keeps the rules.
    [[nodiscard]] bool is_intact(const topic_record& record) const {
        Words::fence(); // after what was read of the message
        const std::uint64_t at = offset(static_cast<std::uint32_t>(record.number));
        return section_.look(at + layout::topic_record::mark) == mark(record.number) &&
               section_.look(at + layout::topic_record::high) == high(record.number) && is_there();
    }
    /// Holds a message, if the writer has not given it up. The caller must have a grant, and look
    /// for it again after this. @param own The section of this side. @param pin An offset there.
    [[nodiscard]] bool pin(const Words& own, std::uint64_t pin, const topic_record& record) const {
        own.store(pin + layout::topic_pin::tag, topic_number::tag(key_, record.number));
        own.publish(pin + layout::topic_pin::mark, mark(record.number));
        return is_intact(record); // behind a fence: the writer sees the pin, or this side its mark
    }
    /// Whether the topic is still the one that was found.
    [[nodiscard]] bool is_there() const {
        return section_.look(place_.entry + layout::topic::key) == key_;
    }
    /// Counts a message that was read, but overwritten before it was copied.
    void lose(const topic_record& record) noexcept {
        lost_ += record.skipped + (record.early ? 0 : 1);
    }
    /// Whether the last call found no message, and nothing was published since.
    [[nodiscard]] bool is_empty() const {
        return drained_ && section_.look(place_.entry + layout::topic::newest) == seen_;
    }
    /// Whether the writer broke a rule. The caller must look whether the topic is_there().
    [[nodiscard]] bool is_broken() const noexcept { return broken_; }
    [[nodiscard]] const topic_place& place() const noexcept { return place_; }
    [[nodiscard]] std::uint32_t key() const noexcept { return key_; }

  private:
    /// Of a step that a writer undoes: it may write faster than this side looks.
    static constexpr int attempts = 3;

    static std::uint32_t mark(std::uint64_t number) noexcept { return topic_number::mark(number); }
    static std::uint32_t high(std::uint64_t number) noexcept { return topic_number::high(number); }
    /// The word `newest` before a message was published.
    static std::uint32_t mark_before(std::uint64_t number) noexcept {
        return number == 1 ? 0 : mark(number - 1);
    }
    [[nodiscard]] std::uint64_t offset(std::uint32_t number) const noexcept {
        return place_.index +
               std::uint64_t{number & (place_.messages - 1)} * layout::topic_record::size;
    }
    [[nodiscard]] std::uint32_t look_at_newest() {
        drained_ = true;
        return seen_ = section_.look(place_.entry + layout::topic::newest);
    }
    /// How many messages the writer still had at most, the newest one included.
    [[nodiscard]] std::uint64_t kept_between(std::uint32_t oldest,
                                             std::uint32_t newest) const noexcept {
        const std::uint32_t between =
            (newest - (oldest == 0 ? 1 : oldest)) & layout::topic_mark_number;
        return std::uint64_t{std::min(between, place_.messages - 1)} + 1;
    }
    /// Reads the entry that a message has in the index, whichever message is there.
    /// @return Whether one is there, and it was whole while it was read.
    [[nodiscard]] bool read(std::uint64_t number, topic_record& record) {
        const std::uint64_t at = offset(static_cast<std::uint32_t>(number));
        const auto word = [&](std::size_t which) {
            return section_.look(at + which);
        };
        // Every look stays behind the one before it.
        const std::uint32_t epoch = word(layout::topic_record::high);
        const std::uint32_t seen = word(layout::topic_record::mark);
        if ((seen & layout::topic_mark_valid) == 0)
            return false;
        const std::uint64_t place =
            std::uint64_t{word(layout::topic_record::place)} * layout::topics::grain;
        record.length = word(layout::topic_record::length);
        record.time = word(layout::topic_record::time_low);
        record.time |= std::uint64_t{word(layout::topic_record::time_high)} << 32U;
        if (word(layout::topic_record::mark) != seen || word(layout::topic_record::high) != epoch)
            return false;
        record.number =
            std::uint64_t{epoch} << layout::topic_mark_bits | (seen & layout::topic_mark_number);
        record.payload = place_.data + place;
        record.skipped = 0;
        record.early = false;
        broken_ = broken_ || record.number == 0 ||
                  offset(static_cast<std::uint32_t>(record.number)) != at || place > place_.size ||
                  record.length > place_.size - place;
        return !broken_;
    }
    bool take(topic_record& record) noexcept {
        record.skipped = record.number - next_ + lost_;
        lost_ = 0;
        present_ = 0;
        next_ = record.number + 1;
        drained_ = false;
        return true;
    }

    Words section_{};
    topic_place place_;
    std::uint32_t key_ = 0;
    std::uint64_t next_ = 1;
    std::uint64_t present_ = 0;    ///< the newest message at the start, until one was read; 0: none
    std::uint64_t lost_ = 0;       ///< to be reported with the next message
    std::uint32_t first_seen_ = 0; ///< the word `newest` when the start was tried first
    std::uint32_t seen_ = 0;       ///< the word `newest` when it was looked at last
    bool drained_ = false;         ///< nothing could be read after that look
    bool started_ = false;
    bool broken_ = false;
};

} // namespace ivshmem
