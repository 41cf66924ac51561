// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Operations on channels and streams whose Nth step fails, for all N and every kind of failure: the
// next operation in line continues, no message is doubled, and the channel still works. No message
// is lost, except one that a destroyed operation had a part of.

#include "helpers/failing.hpp"

#include "helpers/two_peers.hpp"

#include <functional>
#include <span>
#include <vector>

using namespace test;

namespace {

constexpr std::uint32_t ring = 1024;
const std::string first_text = "first";
const std::string second_text = "second";

std::span<const std::byte> message(const std::string& text) {
    return std::as_bytes(std::span{text});
}

/// Receives all messages that are available or arrive while the event loop runs.
std::vector<std::string> take_all(started_peers& p, channel& from, const std::string& last) {
    std::vector<std::string> taken;
    std::string into(5000, '\0');
    while (taken.empty() || taken.back() != last) {
        completion got;
        from.async_receive(net::buffer(into), got.handler());
        if (!run_through_failures(p.io, [&] { return got.done(); }) || got.ec)
            break;
        taken.push_back(into.substr(0, got.value));
    }
    return taken;
}

void pass(started_peers& p, channel& from, channel& to, const std::string& text) {
    completion sent;
    completion got;
    std::string into(5000, '\0');
    from.async_send(net::buffer(text), sent.handler());
    to.async_receive(net::buffer(into), got.handler());
    CHECK(run_through_failures(p.io, [&] { return sent.done() && got.done(); }));
    CHECK_FALSE(sent.ec);
    CHECK_FALSE(got.ec);
    CHECK(into.substr(0, got.value) == text);
}

/// Two operations of one kind, of which the first fails.
struct scenario {
    const char* name;
    /// The contents of the buffers of the two operations.
    std::string first;
    std::string second;
    std::function<void(started_peers&)> prepare;
    std::function<void(started_peers&, failing_handler)> start;
    /// Lets the operations continue. Called repeatedly, with a new number, until they do.
    std::function<void(started_peers&, int)> poke;
    /// Checks the results.
    std::function<void(started_peers&, const ending&, const ending&)> check;
};

void nothing(started_peers&) {}

/// Checks that the received messages are those that were sent, in order, with none missing.
/// @param in_parts The message may be missing if the first handler was destroyed.
void check_received(started_peers& p, const ending& first, const ending& second,
                    const std::string& text, bool in_parts) {
    std::vector<std::string> got;
    if (first.called && !first.ec)
        got.push_back(first.received);
    got.push_back(second.received);
    const std::string last = "last"; // after the messages under way
    p.b.async_send(net::buffer(last), [](error_code, std::size_t) {});
    for (auto& rest : take_all(p, p.a, "last"))
        got.push_back(rest);
    std::vector<std::string> expected{text, second_text, "last"};
    if (in_parts && !first.called && got.size() == 2)
        expected.erase(expected.begin());
    CHECK(got == expected);
}

/// Checks that exactly the messages that were reported as sent were sent.
void check_sent(started_peers& p, const ending& first, const std::string& text,
                std::vector<std::string> got) {
    p.a.next_layer().try_send(message("last"));
    for (auto& rest : take_all(p, p.b, "last"))
        got.push_back(rest);
    std::erase_if(got, [](const std::string& m) { return m.empty() || m.starts_with("filling"); });
    std::vector<std::string> expected;
    if (first.called && !first.ec)
        expected.push_back(text);
    expected.push_back(second_text);
    expected.push_back("last");
    CHECK(got == expected);
}

/// Fills the ring.
void fill_ring(started_peers& p) {
    std::error_code ec;
    for (const std::string& text :
         {"filling" + std::string(300, 'f'), std::string{"filling"}, std::string{}})
        while (p.a.next_layer().try_send(message(text), ec)) {
        }
    REQUIRE_FALSE(ec);
}

/// The messages that the other side has received.
std::vector<std::string> heard;
std::string long_text;

void hear(started_peers& p) {
    std::string into(5000, '\0');
    std::error_code ec;
    while (const auto size =
               p.b.next_layer().try_receive(std::as_writable_bytes(std::span{into}), ec))
        heard.push_back(into.substr(0, *size));
}

std::vector<scenario> scenarios() {
    const std::string room(5000, '\0');
    const auto receive = [](started_peers& p, failing_handler h) {
        const auto buffer = net::buffer(h.buffer());
        p.a.async_receive(buffer, std::move(h));
    };
    const auto send = [](started_peers& p, failing_handler h) {
        const auto buffer = net::buffer(h.buffer());
        p.a.async_send(buffer, std::move(h));
    };
    const auto listen = [](started_peers& p, int) {
        hear(p);
    };
    return {
        {"receive", room, room, nothing, receive,
         [](started_peers& p, int round) {
             if (round == 0) {
                 p.b.next_layer().try_send(message(first_text));
                 p.b.next_layer().try_send(message(second_text));
             }
         },
         [](started_peers& p, const ending& a, const ending& b) {
             check_received(p, a, b, first_text, false);
         }},
        {"receive in parts", room, room, nothing, receive,
         [](started_peers& p, int round) {
             if (round != 0)
                 return;
             p.b.async_send(net::buffer(long_text), [](error_code, std::size_t) {});
             p.b.async_send(net::buffer(second_text), [](error_code, std::size_t) {});
         },
         [](started_peers& p, const ending& a, const ending& b) {
             check_received(p, a, b, long_text, true);
         }},
        {"wait", "", "", nothing,
         [](started_peers& p, failing_handler h) { p.a.async_wait(std::move(h)); },
         [](started_peers& p, int round) {
             if (round == 0)
                 p.b.next_layer().try_send(message(first_text));
         },
         [](started_peers& p, const ending&, const ending& b) {
             CHECK_FALSE(b.ec);
             CHECK(take_all(p, p.a, first_text).size() == 1);
         }},
        {"send", first_text, second_text,
         [](started_peers& p) {
             heard.clear();
             fill_ring(p);
         },
         send, listen,
         [](started_peers& p, const ending& a, const ending&) {
             check_sent(p, a, first_text, heard);
         }},
        {"send in parts", long_text, second_text, [](started_peers&) { heard.clear(); }, send,
         listen,
         [](started_peers& p, const ending& a, const ending&) {
             check_sent(p, a, long_text, heard);
         }},
        {"drain", "", "",
         [](started_peers& p) {
             heard.clear();
             p.a.next_layer().try_send(message(first_text));
         },
         [](started_peers& p, failing_handler h) { p.a.async_drain(std::move(h)); }, listen,
         [](started_peers&, const ending&, const ending& b) {
             CHECK_FALSE(b.ec);
             CHECK(heard == std::vector<std::string>{first_text});
         }},
        {"next event", "", "", nothing,
         [](started_peers& p, failing_handler h) { p.a.async_next_event(std::move(h)); },
         [](started_peers& p, int) {
             if (p.a.next_layer().state() == ivshmem::channel_state::reset)
                 p.a.reopen();
             else if (p.a.next_layer().state() == ivshmem::channel_state::connected)
                 p.b.reopen();
         },
         [](started_peers& p, const ending&, const ending& b) {
             CHECK_FALSE(b.ec);
             if (p.a.next_layer().update() == ivshmem::channel_state::reset)
                 p.a.reopen();
             p.connect();
         }},
        {"connect", "", "",
         [](started_peers& p) {
             p.b.close();
             p.a.reopen();
         },
         [](started_peers& p, failing_handler h) { p.a.async_connect(std::move(h)); },
         [](started_peers& p, int round) {
             if (round == 0)
                 p.b = p.right.open(0);
         },
         [](started_peers& p, const ending&, const ending& b) {
             CHECK_FALSE(b.ec);
             p.connect();
         }},
        {"stream: read", room, room, nothing,
         [](started_peers& p, failing_handler h) {
             ivshmem::asio::stream s{std::move(p.a)};
             const auto buffer = net::buffer(h.buffer(), first_text.size());
             start_failing([&] { s.async_read_some(buffer, std::move(h)); });
             p.a = std::move(s.channel());
         },
         [](started_peers& p, int round) {
             if (round == 0) {
                 p.b.next_layer().try_send(message(first_text));
                 p.b.next_layer().try_send(message(first_text));
             }
         },
         [](started_peers& p, const ending& a, const ending& b) {
             const std::size_t left = a.called && !a.ec ? 0 : 1;
             CHECK(b.received == first_text);
             p.b.next_layer().try_send(message("last"));
             CHECK(take_all(p, p.a, "last").size() == left + 1);
         }},
        {"stream: write", first_text, second_text,
         [](started_peers& p) {
             heard.clear();
             fill_ring(p);
         },
         [](started_peers& p, failing_handler h) {
             ivshmem::asio::stream s{std::move(p.a)};
             const auto buffer = net::buffer(h.buffer());
             start_failing([&] { s.async_write_some(buffer, std::move(h)); });
             p.a = std::move(s.channel());
         },
         listen,
         [](started_peers& p, const ending& a, const ending&) {
             check_sent(p, a, first_text, heard);
         }},
    };
}

/// Plays a scenario in which a step of the first operation fails.
/// @return Whether the operation had that step.
bool play(started_peers& p, const scenario& s, failing how, int step) {
    countdown failing_steps{how, step};
    countdown good_steps{how, -1};
    ending first;
    ending second;
    good_steps.fired = true; // its handler does not throw
    s.prepare(p);
    start_failing([&] { s.start(p, {p.io, failing_steps, first, s.first}); });
    s.start(p, {p.io, good_steps, second, s.second});
    p.io.restart();
    int round = 0;
    const auto over = [&] {
        return second.called && first.alive.expired();
    };
    start_failing([&] { p.io.poll(); });
    while (!over() && round < 200) {
        s.poke(p, round++);
        const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{50};
        run_through_failures(p.io,
                             [&] { return over() || std::chrono::steady_clock::now() > until; });
    }
    CHECK(over());
    CHECK_FALSE(second.ec);
    if (first.called && how != failing::cancelled)
        CHECK_FALSE(first.ec);
    if (first.called && first.ec)
        CHECK(first.ec == net::error::operation_aborted);
    s.check(p, first, second);
    pass(p, p.a, p.b, "forth");
    pass(p, p.b, p.a, "back");
    return failing_steps.fired;
}

} // namespace

TEST_CASE("a channel continues after an operation whose Nth step failed") {
    long_text.clear();
    for (int i = 1000; i < 1750; ++i)
        long_text += std::to_string(i);
    const auto all = scenarios();
    const auto which = GENERATE_REF(range(std::size_t{0}, all.size()));
    const failing how = GENERATE(from_range(std::begin(every_way), std::end(every_way)));
    const scenario& s = all[which];
    INFO(s.name << ", " << how);
    auto p = two_peers().with_rings(ring).start();
    p.open();
    p.connect();
    completion connected;
    p.a.async_next_event(connected.handler());
    REQUIRE(run_until(p.io, [&] { return connected.done(); }));
    int step = 0;
    for (; step < 100; ++step) {
        INFO("step " << step);
        if (!play(p, s, how, how == failing::called ? -1 : step))
            break;
        if (how == failing::called && step == 2)
            break;
    }
    CHECK(step > 0);
    CHECK(step < 100);
    // No operation is under way any more, so nothing may spin.
    p.io.restart();
    CHECK(p.io.run_for(std::chrono::milliseconds{20}) < 50);
}
