// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/frame.hpp"

#include "helpers/catch.hpp"

#include <array>
#include <vector>

using namespace connections;

namespace {

using message = std::vector<std::byte>;

message encoded(const frame& f) {
    message m(control_frame);
    m.resize(encode(f, m));
    return m;
}

message words(std::initializer_list<std::uint32_t> list) {
    message m;
    for (const std::uint32_t word : list)
        for (unsigned shift = 0; shift < 32; shift += 8)
            m.push_back(static_cast<std::byte>(word >> shift));
    return m;
}

} // namespace

TEST_CASE("each frame is read as it was written") {
    const std::array frames{
        frame{.type = frame_type::hello,
              .value = 1,
              .promised = {.connections = 3, .window = 100, .longest = 50}},
        frame{.type = frame_type::open, .connection = 1},
        frame{.type = frame_type::accept, .connection = 0xffffffff},
        frame{.type = frame_type::window, .connection = 7, .value = 4096},
        frame{.type = frame_type::finish, .connection = 7},
        frame{.type = frame_type::reset, .connection = 7, .value = 3},
        frame{.type = frame_type::ping},
        frame{.type = frame_type::pong},
        frame{.type = frame_type::bye, .value = 6},
    };
    for (const frame& f : frames) {
        INFO(static_cast<unsigned>(f.type));
        const message m = encoded(f);
        const auto got = decode(m);
        REQUIRE(got);
        CHECK(got->type == f.type);
        CHECK(got->connection == f.connection);
        CHECK(got->value == f.value);
        if (f.type == frame_type::hello)
            CHECK(got->promised == f.promised);
    }
}

TEST_CASE("data are the bytes after the head") {
    message m = encoded({.type = frame_type::data, .connection = 9});
    CHECK_FALSE(decode(m)); // without a byte
    m.push_back(std::byte{42});
    const auto got = decode(m);
    REQUIRE(got);
    REQUIRE(got->bytes.size() == 1);
    CHECK(got->bytes[0] == std::byte{42});
    CHECK(got->bytes.data() == m.data() + frame_head);
}

TEST_CASE("the page's words are those that are written") {
    CHECK(encoded({.type = frame_type::hello,
                   .value = 1,
                   .promised = {.connections = 2, .window = 3, .longest = 4}}) ==
          words({1, 0, 0x58435649, 1, 2, 3, 4}));
    CHECK(encoded({.type = frame_type::window, .connection = 5, .value = 6}) == words({5, 5, 6}));
    CHECK(encoded({.type = frame_type::reset, .connection = 5, .value = 2}) == words({7, 5, 2}));
}

TEST_CASE("a message that is no frame is refused") {
    const std::array wrong{
        words({}),
        words({2}),                                          // half a head
        words({0, 1}),                                       // no such type
        words({11, 1}),                                      //
        words({2, 0}),                                       // no connection
        words({8, 1}),                                       // a connection in PING
        words({2, 1, 0}),                                    // too long
        words({5, 1}),                                       // too short
        words({5, 1, 1, 1}),                                 //
        words({10, 1, 1}),                                   // a connection in BYE
        words({1, 0, 0x58435649, 1, 2, 3}),                  // HELLO is too short
        words({1, 0, 0x58435648, 1, 2, 3, 4}),               // the magic
        words({1, 0, 0x58435649, 0, 2, 3, 4}),               // version 0
        words({1, 0, 0x58435649, 1, 65537, 3, 4}),           // too many connections
        words({1, 0, 0x58435649, 1, 2, 0, 4}),               // no window
        words({1, 0, 0x58435649, 1, 2, (1U << 24U) + 1, 4}), // too large a window
        words({1, 0, 0x58435649, 1, 2, 3, 0}),               // no data at all
        words({1, 1, 0x58435649, 1, 2, 3, 4}),               // a connection in HELLO
    };
    for (std::size_t i = 0; i < wrong.size(); ++i) {
        INFO(i);
        CHECK_FALSE(decode(wrong[i]));
    }
    CHECK(decode(words({1, 0, 0x58435649, 9, 2, 3, 4, 5, 6}))); // of a later version
}

TEST_CASE("each reason has a text, also one that is not known") {
    CHECK(reason_text(reason::not_allowed) == "this slot is not on the list");
    CHECK(reason_text(static_cast<reason>(77)) == "reason 77");
}
