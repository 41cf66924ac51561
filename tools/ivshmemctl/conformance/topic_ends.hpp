// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "conformance/lane.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace ivshmemctl::conformance {

/// Offsets of "Topics"; those of a part count from the start of a section.
constexpr std::uint32_t grain = 64;
namespace in_topic {
enum : std::size_t {
    key = 0x00,
    flags = 0x04,
    index = 0x08,
    messages = 0x0c,
    data = 0x10,
    size = 0x14,
    pins = 0x18,
    name = 0x40,
    newest = 0x80,
    oldest = 0x84,
    grants = 0xc0,
    end = 0x100,
};
} // namespace in_topic
namespace in_record {
enum : std::size_t {
    mark = 0x00,
    high = 0x04,
    place = 0x08,
    length = 0x0c,
    time = 0x10,
    size = 32,
};
} // namespace in_record

/// The topic of this side, number 0, which the peer reads.
class topic_source {
  public:
    /// @param shown Whether its key is published, and the peer rung: else show() does that.
    /// @throws not_shown The peer reads no topics.
    explicit topic_source(other_side& side, bool shown = true);
    topic_source(const topic_source&) = delete;
    topic_source& operator=(const topic_source&) = delete;
    /// Ends it, and takes it away.
    ~topic_source();

    void show();
    /// Publishes the next message, and rings the peer if it asks for it.
    void publish(const std::string& bytes);
    /// Gives up all messages, and so many numbers.
    void skip(std::uint32_t numbers);
    /// Shows the mark of a message that was published with hide_mark.
    void show_mark();
    void end();
    /// Waits until the peer asks to be rung. @return The word. @throws broken It does not.
    std::uint32_t await_request() const;

    bool hide_mark = false;     ///< the record of the next message has no mark
    bool rings = true;          ///< the next message is announced
    std::size_t wrong_word = 0; ///< of the record of the next message: it gets wrong_value
    std::uint32_t wrong_value = 0;

  private:
    [[nodiscard]] words record() const;
    void announce() const;

    other_side& side_;
    words entry_, index_, data_;
    std::uint32_t number_ = 0, key_;
    bool skipped_ = false;
};

/// The topic of the peer, on which it publishes again what it read.
class topic_echo {
  public:
    /// @throws not_shown The peer writes no such topic.
    explicit topic_echo(other_side& side);

    [[nodiscard]] words entry() const { return entry_; }
    [[nodiscard]] std::uint32_t newest() const { return entry_.look(in_topic::newest); }
    [[nodiscard]] std::uint32_t seen() const { return seen_; }
    /// Waits for the next message. @throws broken It does not come, or its record is wrong.
    void require_message(const std::string& bytes);
    /// Waits for a message, whichever its number is.
    void require_last(const std::string& bytes);
    /// Asks to be rung, with a new word.
    void ask();
    void withdraw() const;

  private:
    [[nodiscard]] std::string read(std::uint32_t mark) const;
    [[nodiscard]] std::size_t wanted() const;

    other_side& side_;
    words entry_;
    std::uint32_t number_ = 0, key_ = 0, seen_ = 0, asked_ = 0;
};

} // namespace ivshmemctl::conformance
