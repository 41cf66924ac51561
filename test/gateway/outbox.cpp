// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "outbox.hpp"

#include "helpers/catch.hpp"

#include <string>
#include <vector>

using namespace ivshmem_gateway;

namespace {

outgoing message_of(const std::string& topic, int qos = 1, std::size_t size = 0) {
    return {.topic = topic, .payload = std::vector<std::byte>(size), .qos = qos};
}

/// Takes all that are in line out.
std::string line_of(outbox& box) {
    std::string topics;
    while (box.has_next())
        topics += box.drop_next().topic;
    return topics;
}

} // namespace

TEST_CASE("a queue in messages") {
    outbox box{2, 1'000'000};
    CHECK(box.has_room());
    box.add(message_of("a"));
    CHECK(box.has_room());
    box.add(message_of("b"));
    CHECK_FALSE(box.has_room());
    CHECK_FALSE(box.send_next(1)); // on its way, it still takes room
    CHECK_FALSE(box.has_room());
    CHECK(box.count() == 2);
    CHECK(box.on_their_way() == 1);
    REQUIRE(box.take(1));
    CHECK(box.has_room());
    CHECK(line_of(box) == "b");
    CHECK(box.bytes() == 0);
}

TEST_CASE("a queue in bytes") {
    outbox box{1000, 5000};
    box.add(message_of("a", 1, 10'000));
    CHECK_FALSE(box.has_room());
    CHECK(box.bytes() >= 10'000);
    static_cast<void>(box.drop_next());
    CHECK(box.has_room());
    CHECK(box.bytes() == 0);
    outbox small{1000, 1};
    CHECK(small.has_room()); // one message alone always has
    small.add(message_of("a"));
    CHECK_FALSE(small.has_room());
}

TEST_CASE("acknowledgements in any order, and of unknown ids") {
    outbox box{10, 1'000'000};
    for (const auto* topic : {"a", "b", "c"})
        box.add(message_of(topic));
    for (const int id : {7, 8, 9})
        CHECK_FALSE(box.send_next(id));
    CHECK_FALSE(box.has_next());
    CHECK_FALSE(box.take(1));
    CHECK(box.take(9)->topic == "c");
    CHECK_FALSE(box.take(9));
    CHECK(box.take(7)->topic == "a");
    CHECK(box.count() == 1);
}

TEST_CASE("an id that is used again replaces its message") {
    outbox box{10, 1'000'000};
    box.add(message_of("a"));
    box.add(message_of("b"));
    CHECK_FALSE(box.send_next(1));
    const auto lost = box.send_next(1);
    REQUIRE(lost);
    CHECK(lost->topic == "a");
    CHECK(box.count() == 1);
    CHECK(box.take(1)->topic == "b");
    CHECK(box.bytes() == 0);
}

TEST_CASE("what was on its way is sent again, in its order") {
    outbox box{10, 1'000'000};
    for (const auto* topic : {"a", "b", "c", "d"})
        box.add(message_of(topic, topic[0] == 'b' ? 0 : 1));
    for (const int id : {30, 20, 10}) // ids have no order
        CHECK_FALSE(box.send_next(id));
    const auto bytes = box.bytes();
    SECTION("all of it") {
        box.send_again(true);
        CHECK(box.on_their_way() == 0);
        CHECK(box.bytes() == bytes);
        CHECK(line_of(box) == "abcd");
    }
    SECTION("of QoS 0 only, because the session has the others") {
        box.send_again(false);
        CHECK(box.on_their_way() == 2);
        CHECK(box.bytes() == bytes);
        CHECK(line_of(box) == "bd");
        CHECK(box.take(10)->topic == "c");
    }
}
