// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "conformance/topic_ends.hpp"

#include "common/print.hpp"

#include <algorithm>

namespace ivshmemctl::conformance {
namespace {

/// They take the smallest room that a region with topics has.
constexpr std::uint32_t messages = 4, data_grains = 14;

std::uint32_t next_mark(std::uint32_t mark) {
    return bit31 | ((mark + 1) & ~bit31);
}

std::string name_of_topic(const words& entry) {
    std::string name;
    for (std::size_t i = 0; i < in_header::name_size; ++i) {
        const auto c = static_cast<char>(entry.look(in_topic::name + i / 4 * 4) >> (i % 4 * 8));
        if (c == 0)
            break;
        name += c;
    }
    return name;
}

/// Copies bytes, of which a message has few.
void write_bytes(const words& to, std::size_t at, const std::string& bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += 4) {
        std::uint32_t word = 0;
        for (std::size_t j = 0; j < 4 && i + j < bytes.size(); ++j)
            word |= std::uint32_t{static_cast<unsigned char>(bytes[i + j])} << (j * 8);
        to.publish(at + i, word);
    }
}

std::string read_bytes(const words& from, std::size_t length) {
    std::string bytes;
    for (std::size_t i = 0; i < length; ++i)
        bytes += static_cast<char>(from.look(i / 4 * 4) >> (i % 4 * 8));
    return bytes;
}

void require_topics(const other_side& side) {
    if (!side.topics().exists())
        throw not_shown{"the region has no room for topics: let the peer take smaller rings"};
    if ((side.theirs().look(in_header::version) & 0xffffU) < 2)
        throw not_shown{"the version of the peer has no topics"};
}

} // namespace

topic_source::topic_source(other_side& side, bool shown)
    : side_{side}, entry_{side.mine().from(side.topics().entry(0))}, index_{side.mine().from(
                                                                         side.topics().room)},
      data_{side.mine().from(side.topics().room + messages * in_record::size)}, key_{
                                                                                    random_word()} {
    require_topics(side);
    entry_.publish(in_topic::key, 0);
    for (std::uint32_t i = 0; i < messages; ++i)
        index_.publish(i * in_record::size + in_record::mark, 0);
    const auto in_grains = static_cast<std::uint32_t>(side.topics().room / grain);
    for (const auto& [word, value] : {std::pair<std::size_t, std::uint32_t>{in_topic::flags, 0},
                                      {in_topic::index, in_grains},
                                      {in_topic::messages, messages},
                                      {in_topic::data, in_grains + messages / 2},
                                      {in_topic::size, data_grains},
                                      {in_topic::pins, 0},
                                      {in_topic::newest, 0},
                                      {in_topic::oldest, bit31 | 1U}})
        entry_.publish(word, value);
    for (std::size_t at = in_topic::grants; at < in_topic::end; at += 4)
        entry_.publish(at, 0);
    std::string name = side.how().service;
    name.resize(in_header::name_size);
    write_bytes(entry_, in_topic::name, name);
    if (shown)
        show();
    // The peer must have found it, or be about to.
    if (shown)
        pass_a_message(side);
}

topic_source::~topic_source() {
    end();
    entry_.publish(in_topic::key, 0);
    side_.ring();
}

void topic_source::show() {
    entry_.publish(in_topic::key, key_);
    side_.ring();
}

words topic_source::record() const {
    return index_.from((number_ % messages) * in_record::size);
}

void topic_source::announce() const {
    const auto word = side_.theirs().look(side_.topics().wanted(side_.slot(), 0));
    if (rings && (word & 1U) != 0)
        side_.ring(word >> 16U);
}

void topic_source::publish(const std::string& bytes) {
    // A message takes half of the data. The one before is left, unless numbers were left out.
    for (std::uint32_t i = 0; i < messages; ++i)
        if (skipped_ || i != number_ % messages)
            index_.publish(i * in_record::size + in_record::mark, 0);
    ++number_;
    entry_.publish(in_topic::oldest, bit31 | (skipped_ || number_ == 1 ? number_ : number_ - 1));
    skipped_ = false;
    const std::uint32_t place = number_ % 2 == 0 ? 0 : data_grains / 2;
    write_bytes(data_, std::size_t{place} * grain, bytes);
    const auto at = record();
    at.publish(in_record::high, 0);
    at.publish(in_record::place, place);
    at.publish(in_record::length, static_cast<std::uint32_t>(bytes.size()));
    if (wrong_word != 0)
        at.publish(wrong_word, wrong_value);
    at.publish(in_record::mark, hide_mark ? 0 : bit31 | number_);
    entry_.publish(in_topic::newest, bit31 | number_);
    announce();
}

void topic_source::skip(std::uint32_t numbers) {
    number_ += numbers;
    skipped_ = true;
}

void topic_source::show_mark() {
    hide_mark = false;
    record().publish(in_record::mark, bit31 | number_);
    side_.ring();
}

void topic_source::end() {
    entry_.publish(in_topic::flags, 1);
    rings = true;
    announce();
}

std::uint32_t topic_source::await_request() const {
    std::uint32_t word = 0;
    require(side_.wait([&] {
        word = side_.theirs().look(side_.topics().wanted(side_.slot(), 0));
        return (word & 1U) != 0;
    }),
            "no request " + side_.in_time(), "a reader without a message asks to be rung");
    return word;
}

topic_echo::topic_echo(other_side& side) : side_{side} {
    require_topics(side);
    const std::string name = side.how().service + " back";
    const auto found = [&] {
        for (number_ = 0; number_ < topics_part::numbers; ++number_) {
            entry_ = side.theirs().from(side.topics().entry(number_));
            key_ = entry_.look(in_topic::key);
            if (key_ != 0 && name_of_topic(entry_) == name && entry_.look(in_topic::flags) == 0)
                return true;
        }
        return false;
    };
    if (!found())
        throw not_shown{tools::format("the peer writes no topic '{}', on which it publishes each "
                                      "message of the topic '{}' again",
                                      name, side.how().service)};
    seen_ = newest();
    asked_ = random_word();
}

std::string topic_echo::read(std::uint32_t mark) const {
    const auto count = std::clamp<std::uint32_t>(entry_.look(in_topic::messages), 2, 65536);
    const std::uint64_t at = std::uint64_t{entry_.look(in_topic::index)} * grain +
                             std::uint64_t{mark & (count - 1)} * in_record::size;
    require(at + in_record::size <= side_.topics().end, "an index that leaves the section",
            "it is in the room");
    const auto record = side_.theirs().from(at);
    require(record.look(in_record::mark) == mark,
            tools::format("mark {:#x} in the record of {:#x}", record.look(in_record::mark), mark),
            "newest is the mark of the last record");
    const std::uint64_t place = record.look(in_record::place);
    const std::uint64_t length = record.look(in_record::length);
    const std::uint64_t size = std::uint64_t{entry_.look(in_topic::size)} * grain;
    require(place * grain + length <= size,
            tools::format("place {:#x}, length {:#x}", place, length), "both in the data");
    const std::uint64_t from = std::uint64_t{entry_.look(in_topic::data)} * grain + place * grain;
    require(from + length <= side_.topics().end, "data that leaves the section",
            "it is in the room");
    return read_bytes(side_.theirs().from(from), length);
}

void topic_echo::require_message(const std::string& bytes) {
    require(side_.wait([&] { return newest() != seen_; }), "no message " + side_.in_time(),
            "what the peer read is published again");
    seen_ = next_mark(seen_);
    require(read(seen_) == bytes, "other bytes", "those that were read");
}

void topic_echo::require_last(const std::string& bytes) {
    require(side_.wait([&] { return newest() != seen_; }), "no message " + side_.in_time(),
            "a reader that was overtaken reads the newest message");
    seen_ = newest();
    require(read(seen_) == bytes, "other bytes", "those of the newest message");
}

std::size_t topic_echo::wanted() const {
    return side_.topics().wanted(side_.peer_slot(), number_);
}

void topic_echo::ask() {
    ++asked_;
    side_.mine().publish(wanted(), 1U | (asked_ & 0x3fffU) << 2U);
}

void topic_echo::withdraw() const {
    side_.mine().publish(wanted(), 0);
}

} // namespace ivshmemctl::conformance
