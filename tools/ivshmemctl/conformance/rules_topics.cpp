// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// "Topics": the peer reads the topic with the name of the service, and publishes each message
// again.

#include "common/print.hpp"
#include "conformance/topic_ends.hpp"

namespace ivshmemctl::conformance {
namespace {

void check_entry(other_side& side) {
    const topic_source source{side};
    const topic_echo back{side};
    const auto index = back.entry().look(in_topic::index);
    const auto messages = back.entry().look(in_topic::messages);
    const auto data = back.entry().look(in_topic::data);
    const auto size = back.entry().look(in_topic::size);
    const auto in_room = [&](std::uint64_t begin, std::uint64_t grains) {
        return begin * grain >= side.topics().room && (begin + grains) * grain <= side.topics().end;
    };
    require(messages >= 2 && messages <= 65536 && (messages & (messages - 1)) == 0,
            tools::format("{} messages", messages), "a power of two, 2 to 65536");
    const std::uint64_t of_index = messages / 2;
    require(size != 0 && in_room(index, of_index) && in_room(data, size),
            tools::format("index {:#x} and data {:#x} + {:#x}, in grains", index, data, size),
            "both in the room behind the table");
    require(index + of_index <= data || std::uint64_t{data} + size <= index,
            "index and data overlap", "they do not");
    for (std::size_t at = (side.how().service.size() + 5) / 4 * 4 + 4; at < 60; at += 4)
        require(back.entry().look(in_topic::name + at) == 0, "bytes behind the name",
                "the rest is zero");
}

void check_publishing(other_side& side) {
    topic_source source{side};
    topic_echo back{side};
    static_cast<void>(side.take_rings());
    for (const std::size_t size : {1U, 64U, 65U, 400U}) {
        source.publish(pattern(size, size));
        back.require_message(pattern(size, size));
    }
    if (!side.can_be_rung())
        return;
    // A request is answered once.
    static_cast<void>(side.take_rings());
    back.ask();
    source.publish(pattern(8, 1));
    back.require_message(pattern(8, 1));
    require(side.wait([&] { return side.take_rings() != 0; }), "no ring " + side.in_time(),
            "a reader that asks is rung");
    source.publish(pattern(8, 2));
    back.require_message(pattern(8, 2));
    source.publish(pattern(8, 4)); // what the peer did for the one before is over then
    back.require_message(pattern(8, 4));
    require(side.take_rings() == 0, "a second ring for the same request",
            "one until the word changes");
    back.ask();
    source.publish(pattern(8, 3));
    back.require_message(pattern(8, 3));
    require(side.wait([&] { return side.take_rings() != 0; }), "no ring " + side.in_time(),
            "a reader that asks again is rung");
    back.withdraw();
}

void check_hidden_record(other_side& side) {
    topic_source source{side};
    topic_echo back{side};
    source.publish(pattern(8, 1));
    back.require_message(pattern(8, 1));
    source.hide_mark = true;
    source.publish(pattern(8, 2));
    pass_a_message(side);
    require(back.newest() == back.seen(), "a message whose mark is 0 was read",
            "there is none while the mark is 0");
    source.show_mark();
    back.require_message(pattern(8, 2));
}

void check_wrong_record(other_side& side) {
    for (const auto& [word, value] : {std::pair<std::size_t, std::uint32_t>{in_record::length, ~0U},
                                      {in_record::place, 0x4000000U}}) {
        topic_source source{side};
        topic_echo back{side};
        source.publish(pattern(8, 1));
        back.require_message(pattern(8, 1));
        source.skip(2); // a reader that begins again finds no other message
        source.wrong_word = word;
        source.wrong_value = value;
        source.publish(pattern(8, 2));
        pass_a_message(side);
        require(back.newest() == back.seen(), "a message that leaves the data was read",
                "the reader ends this topic");
        lane other{side};
        other.connect();
        other.echo(pattern(16)); // and nothing else
    }
}

void check_overtaken(other_side& side) {
    topic_source source{side};
    topic_echo back{side};
    source.publish(pattern(8, 1));
    back.require_message(pattern(8, 1));
    source.skip(100);
    source.publish(pattern(8, 2));
    back.require_last(pattern(8, 2));
    source.publish(pattern(8, 3));
    back.require_message(pattern(8, 3));
}

void check_begin(other_side& side) {
    topic_source source{side, false};
    topic_echo back{side};
    source.publish(pattern(8, 1));
    source.publish(pattern(8, 2));
    pass_a_message(side);
    require(back.newest() == back.seen(), "a message of a topic whose key is 0 was read", "none");
    source.show();
    back.require_message(pattern(8, 1));
    back.require_message(pattern(8, 2));
}

void check_sleeping(other_side& side) {
    if ((side.theirs().look(in_header::attention) & bit31) == 0)
        throw not_shown{"the peer is not rung: it polls"};
    topic_source source{side};
    topic_echo back{side};
    source.publish(pattern(8, 1));
    back.require_message(pattern(8, 1));
    const auto first = source.await_request();
    source.publish(pattern(8, 2));
    back.require_message(pattern(8, 2));
    const auto second = source.await_request();
    require(first != second, tools::format("{:#x} twice", first),
            "a new value in bits 2-15 with each request");
}

void check_end(other_side& side) {
    topic_source source{side};
    topic_echo back{side};
    source.publish(pattern(8, 1));
    back.require_message(pattern(8, 1));
    if ((side.theirs().look(in_header::attention) & bit31) != 0)
        source.await_request();
    // The last message comes before the end, also if both are seen at once.
    source.rings = false;
    source.publish(pattern(8, 2));
    source.end();
    back.require_message(pattern(8, 2));
    topic_source again{side};
    again.publish(pattern(8, 3));
    back.require_message(pattern(8, 3));
}

constexpr rule topics[] = {
    {"T1", "a region without room for topics has none", nullptr, "it depends on the region"},
    {"T3", "a topic is in the room for topics, and its entry says where", check_entry},
    {"T4", "a message is in the data before its record, and each request is answered once",
     check_publishing},
    {"T5", "a record whose mark is 0 is none", check_hidden_record},
    {"T6", "a record that leaves the data ends this topic, and nothing else", check_wrong_record},
    {"T7", "what was overwritten while it was read is dropped", nullptr,
     "nobody can write at the moment at which the peer reads"},
    {"T8", "a reader that was overtaken goes on with what is left", check_overtaken},
    {"T9", "a reader that waited for a topic begins with number 1", check_begin},
    {"T10", "a reader that sleeps asks with a new word each time", check_sleeping},
    {"T11", "a topic that ends is read to its end, and the next one of its name is found",
     check_end},
    {"T12", "the key is cleared before the room of a topic is used again", nullptr,
     "when the peer needs room for another topic is its own affair"},
    {"T13", "a topic from elsewhere says so, and is not taken elsewhere", nullptr,
     "only a peer that joins regions takes part"},
    {"T14", "a message that is pinned keeps its bytes", nullptr,
     "a peer need not let messages be pinned, and need not pin any"},
};

} // namespace

std::span<const rule> topic_rules() {
    return topics;
}

} // namespace ivshmemctl::conformance
