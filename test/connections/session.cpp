// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/session.hpp"

#include "helpers/catch.hpp"

#include <string>
#include <vector>

using namespace connections;

namespace {

using what = session::event::kind;

/// A client and a service, and the frames between them.
struct pair_of_sessions {
    session client{session::side::client, {.window = 10, .longest = 8}};
    session service{session::side::service, {.connections = 3, .window = 10, .longest = 8}};

    /// Sends one frame, with `text` if it is DATA.
    session::event step(session& from, session& to, const std::string& text = "") {
        std::vector<std::byte> m(control_frame);
        const auto t = from.next(m);
        REQUIRE(t.what != session::turn::kind::none);
        if (t.what == session::turn::kind::data) {
            REQUIRE(text.size() <= t.size);
            from.put_data(t.connection, text.size(), m);
            m.resize(frame_head);
            for (const char c : text)
                m.push_back(static_cast<std::byte>(c));
        } else {
            m.resize(t.size);
        }
        return to.receive(m);
    }
    session::event to_service(const std::string& text = "") { return step(client, service, text); }
    session::event to_client(const std::string& text = "") { return step(service, client, text); }

    void greet() {
        REQUIRE(to_service().what == what::greeted);
        REQUIRE(to_client().what == what::greeted);
    }
    std::uint32_t open() {
        const auto id = client.open();
        REQUIRE(id);
        REQUIRE(to_service().what == what::opened);
        service.accept(*id);
        REQUIRE(to_client().what == what::accepted);
        return *id;
    }
};

bool is_silent(session& s) {
    std::vector<std::byte> m(control_frame);
    return s.next(m).what == session::turn::kind::none;
}

session::event send(session& to, const frame& f, std::size_t bytes = 0) {
    std::vector<std::byte> m(control_frame);
    m.resize(encode(f, m) + bytes);
    return to.receive(m);
}

} // namespace

TEST_CASE("the client greets first, and opens nothing before") {
    pair_of_sessions s;
    CHECK(is_silent(s.service));
    CHECK_FALSE(s.client.open());
    s.greet();
    CHECK(is_silent(s.client));
    CHECK(is_silent(s.service));
    CHECK(s.client.open() == 1);
}

TEST_CASE("data go both ways, and each direction ends by itself") {
    pair_of_sessions s;
    s.greet();
    const auto id = s.open();
    s.client.set_ready(id);
    const auto got = s.to_service("hello");
    CHECK(got.what == what::data);
    CHECK(got.bytes.size() == 5);
    CHECK(is_silent(s.client)); // until it is ready again
    s.client.finish(id);
    CHECK(s.to_service().what == what::finished);
    s.service.set_ready(id);
    CHECK(s.to_client("answer").what == what::data);
    CHECK(s.client.has(id));
    s.service.finish(id);
    CHECK(s.to_client().what == what::finished);
    CHECK_FALSE(s.client.has(id));
    CHECK_FALSE(s.service.has(id));
}

TEST_CASE("a side sends no more than its credit") {
    pair_of_sessions s;
    s.greet();
    const auto id = s.open();
    s.client.set_ready(id);
    CHECK(s.to_service("12345678").what == what::data); // the longest
    s.client.set_ready(id);
    CHECK(s.to_service("90").what == what::data);
    s.client.set_ready(id);
    CHECK_FALSE(s.client.has_credit(id));
    CHECK(is_silent(s.client));
    s.service.taken(id, 4);
    CHECK(is_silent(s.service)); // less than half of the window
    s.service.taken(id, 1);
    CHECK(s.to_client().what == what::nothing);
    CHECK(s.client.has_credit(id));
    CHECK(s.to_service("abcde").what == what::data);
    s.client.set_ready(id);
    CHECK(is_silent(s.client));
}

TEST_CASE("a WINDOW that the end of its direction makes useless ends nothing") {
    pair_of_sessions s;
    s.greet();
    const auto id = s.open();
    s.client.set_ready(id);
    CHECK(s.to_service("12345678").what == what::data);
    s.service.taken(id, 8); // it owes a WINDOW
    s.client.finish(id);
    CHECK(s.to_service().what == what::finished);
    CHECK(is_silent(s.service));
    CHECK_FALSE(s.service.has_finished(id));
    s.service.set_ready(id);
    CHECK(s.to_client("answer").what == what::data);
}

TEST_CASE("a connection that stalls does not delay another") {
    pair_of_sessions s;
    s.greet();
    const auto stalled = s.open();
    const auto other = s.open();
    for (const char* const text : {"12345678", "90"}) {
        s.client.set_ready(stalled);
        REQUIRE(s.to_service(text).what == what::data);
    }
    s.client.set_ready(stalled);
    for (int i = 0; i < 3; ++i) {
        s.client.set_ready(other);
        CHECK(s.to_service("1234567").connection == other);
        s.service.taken(other, 7);
        CHECK(s.to_client().what == what::nothing);
    }
}

TEST_CASE("connections take turns") {
    pair_of_sessions s;
    s.greet();
    const auto first = s.open();
    const auto second = s.open();
    std::vector<std::uint32_t> order;
    for (int i = 0; i < 6; ++i) {
        s.client.set_ready(first);
        s.client.set_ready(second);
        order.push_back(s.to_service("x").connection);
    }
    CHECK(order == std::vector{first, second, first, second, first, second});
}

TEST_CASE("a service refuses") {
    pair_of_sessions s;
    s.greet();
    const auto id = s.client.open();
    CHECK(s.to_service().what == what::opened);
    s.service.reset(*id, reason::unreachable);
    const auto got = s.to_client();
    CHECK(got.what == what::reset);
    CHECK(got.why == reason::unreachable);
    CHECK(s.client.size() == 0);
    CHECK(s.service.size() == 0);
    CHECK(s.open() == *id + 1);
}

TEST_CASE("a client opens no more than was promised") {
    pair_of_sessions s;
    s.greet();
    for (int i = 0; i < 3; ++i)
        s.open();
    CHECK_FALSE(s.client.open());
    s.client.reset(2, reason::broken);
    CHECK_FALSE(s.client.open()); // before the service knows
    CHECK(s.to_service().what == what::reset);
    CHECK(s.open() == 4);
}

TEST_CASE("a connection that is reset before it was opened is opened and reset") {
    pair_of_sessions s;
    s.greet();
    const auto id = s.client.open();
    s.client.reset(*id, reason::broken);
    CHECK(s.to_service().what == what::opened);
    CHECK(s.to_service().what == what::reset);
    CHECK(s.open() == *id + 1);
}

TEST_CASE("frames that were under way when a connection was reset are ignored") {
    pair_of_sessions s;
    s.greet();
    const auto id = s.open();
    s.service.reset(id, reason::broken);
    CHECK(send(s.service, {.type = frame_type::data, .connection = id}, 3).what == what::nothing);
    CHECK(send(s.service, {.type = frame_type::finish, .connection = id}).what == what::nothing);
    CHECK(s.to_client().what == what::reset);
    CHECK(send(s.service, {.type = frame_type::data, .connection = id}, 3).what == what::nothing);
}

TEST_CASE("a ping is answered once") {
    pair_of_sessions s;
    s.greet();
    s.client.ping();
    CHECK(s.to_service().what == what::nothing);
    CHECK(send(s.service, {.type = frame_type::ping}).what == what::nothing);
    CHECK(s.to_client().what == what::nothing);
    CHECK(is_silent(s.client));
    CHECK(is_silent(s.service));
}

TEST_CASE("a side that ends sends nothing more") {
    pair_of_sessions s;
    s.greet();
    const auto id = s.open();
    s.service.set_ready(id);
    s.service.end(reason::stopped);
    const auto got = s.to_client();
    CHECK(got.what == what::bye);
    CHECK(got.why == reason::stopped);
    CHECK(is_silent(s.service));
    CHECK(is_silent(s.client));
    CHECK_FALSE(s.client.open());
    CHECK(send(s.service, {.type = frame_type::ping}).what == what::nothing);
    CHECK(is_silent(s.service));
}

TEST_CASE("a refusal may come instead of the greeting") {
    session service{session::side::service, {}};
    service.end(reason::not_allowed);
    session client{session::side::client, {}};
    std::vector<std::byte> m(control_frame);
    m.resize(service.next(m).size);
    // A session that has not greeted takes nothing but HELLO and BYE.
    CHECK(client.receive(m).why == reason::not_allowed);
}

TEST_CASE("a side that breaks a rule is told to stop") {
    pair_of_sessions s;
    const auto ends = [](session& side, const frame& f, std::size_t bytes = 0) {
        CHECK(send(side, f, bytes).what == what::fault);
        CHECK(side.ended());
        std::vector<std::byte> m(control_frame);
        m.resize(side.next(m).size);
        const auto said = decode(m);
        REQUIRE(said);
        CHECK(said->type == frame_type::bye);
        CHECK(is_silent(side));
    };
    const frame hello{.type = frame_type::hello, .value = 1, .promised = {}};
    SECTION("a frame before the greeting") {
        ends(s.service, {.type = frame_type::open, .connection = 1});
    }
    SECTION("a service that sends back what it gets") {
        frame own = hello;
        own.promised.connections = 0;
        ends(s.client, own);
    }
    SECTION("another version") {
        frame later = hello;
        later.value = 2;
        later.promised.connections = 0;
        CHECK(send(s.service, later).why == reason::version);
    }
    SECTION("after the greeting") {
        s.greet();
        SECTION("a second HELLO") {
            ends(s.client, hello);
        }
        SECTION("no frame") {
            ends(s.client, {});
        }
        SECTION("a connection that nobody opened") {
            ends(s.service, {.type = frame_type::data, .connection = 1}, 1);
        }
        SECTION("a number that is left out") {
            ends(s.service, {.type = frame_type::open, .connection = 2});
        }
        SECTION("an open by the service") {
            ends(s.client, {.type = frame_type::open, .connection = 1});
        }
        SECTION("data before it is accepted") {
            CHECK(send(s.service, {.type = frame_type::open, .connection = 1}).what ==
                  what::opened);
            ends(s.service, {.type = frame_type::data, .connection = 1}, 1);
        }
        SECTION("too many connections") {
            for (int i = 0; i < 3; ++i)
                s.open();
            ends(s.service, {.type = frame_type::open, .connection = 4});
        }
        SECTION("of a connection") {
            const auto id = s.open();
            SECTION("a second accept") {
                ends(s.client, {.type = frame_type::accept, .connection = id});
            }
            SECTION("an accept by the client") {
                ends(s.service, {.type = frame_type::accept, .connection = id});
            }
            SECTION("data longer than the longest") {
                ends(s.service, {.type = frame_type::data, .connection = id}, 9);
            }
            SECTION("more data than the credit") {
                send(s.service, {.type = frame_type::data, .connection = id}, 8);
                ends(s.service, {.type = frame_type::data, .connection = id}, 3);
            }
            SECTION("data after the end") {
                send(s.service, {.type = frame_type::finish, .connection = id});
                ends(s.service, {.type = frame_type::data, .connection = id}, 1);
            }
            SECTION("more credit than the window") {
                ends(s.service, {.type = frame_type::window, .connection = id, .value = 1});
            }
            SECTION("no credit") {
                ends(s.service, {.type = frame_type::window, .connection = id});
            }
        }
    }
}
