// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// One side of a transfer is killed again and again, at any step; the other one survives.

#include "crash.hpp"

#include "helpers/two_peers.hpp"

#include <csignal>
#include <map>
#include <random>
#include <set>
#include <sstream>

using namespace test;
using crash::head;
using kind = channel_event::kind;

namespace {

constexpr int kills = 300;

/// What the killed side reported before its end.
struct report {
    explicit report(const std::string& text) {
        std::istringstream lines{text};
        std::string what;
        std::uint32_t number = 0;
        while (lines >> what) {
            bad = bad || (what != "I" && what != "R" && what != "A");
            lines >> number;
            if (what == "I")
                incarnation = number;
            if (what == "R")
                received = number + 1;
            if (what == "A")
                acknowledged = number + 1;
        }
    }
    std::uint32_t incarnation = 0;
    std::uint32_t received = 0; ///< how many
    std::uint32_t acknowledged = 0;
    bool bad = false;
};

/// The side that is not killed.
class survivor {
  public:
    survivor(net::io_context& io, const std::string& socket, bool sends)
        : peer_{io, open_device(socket), 0, crash::geometry}, channel_{peer_.open(1)}, sends_{
                                                                                           sends} {
        watch();
        if (!sends_)
            receive();
    }

    unsigned connected = 0;
    unsigned losses = 0;
    std::string wrong;                                  ///< empty: nothing
    std::uint32_t session = 0;                          ///< the incarnation of the peer, now
    std::map<std::uint32_t, std::uint32_t> transferred; ///< how many, by incarnation
    std::map<std::uint32_t, std::uint32_t> acknowledged;

  private:
    void watch() {
        channel_.async_next_event([this](error_code ec, channel_event event) {
            if (ec)
                return;
            if (event.type == kind::connected) {
                must(connected == losses, "a connection without a loss");
                must(sessions_.insert(event.incarnation).second, "an incarnation came again");
                ++connected;
                session = event.incarnation;
                if (sends_)
                    send();
            } else {
                must(event.type == kind::peer_lost, "an event that is no loss");
                must(event.incarnation == session, "a loss of another session");
                ++losses;
                session = 0;
                channel_.reopen();
                if (!sends_ && !receiving_)
                    receive();
            }
            watch();
        });
    }
    void receive() {
        receiving_ = true;
        channel_.async_receive(net::buffer(into_), [this](error_code ec, std::size_t size) {
            receiving_ = false;
            if (ec) {
                check(ec);
                const auto now = channel_.next_layer().state();
                if (now != ivshmem::channel_state::lost)
                    receive(); // the session is a new one already
                return;
            }
            const head h = crash::head_of(into_);
            // It may come before the connection's event.
            const auto now = channel_.next_layer().peer_incarnation();
            must(h.incarnation == now, "a message of another session");
            must(h.number == transferred[now], "a message that is not the next one");
            must(size == crash::message(h).size(), "a message of another size");
            ++transferred[now];
            receive();
        });
    }
    void send() {
        const std::uint32_t to = session;
        const std::uint32_t number = transferred[to]++;
        out_ = crash::message({to, number});
        channel_.async_send(net::buffer(out_), [this, to, number](error_code ec, std::size_t) {
            if (ec || to != session)
                return check(ec);
            if (number % 4 != 0)
                return send();
            channel_.async_drain([this, to, number](error_code failed) {
                if (!failed)
                    acknowledged[to] = number + 1;
                if (failed || to != session)
                    return check(failed);
                send();
            });
        });
    }
    void must(bool holds, const std::string& otherwise) {
        if (!holds && wrong.empty())
            wrong = otherwise;
    }
    void check(error_code ec) {
        must(!ec || ec == errc::peer_lost || ec == errc::channel_reset ||
                 ec == net::error::operation_aborted,
             ec.message()); // channel_reset: opened again by this side
    }

    peer peer_;
    channel channel_;
    const bool sends_;
    bool receiving_ = false;
    std::string into_ = std::string(8192, '\0');
    std::string out_;
    std::set<std::uint32_t> sessions_;
};

} // namespace

TEST_CASE("a side that is killed at any step starts again, and the other side notices once") {
    const deadline limit{100};
    const bool survivor_sends = GENERATE(false, true);
    INFO("the survivor " << (survivor_sends ? "sends" : "receives"));
    const host::running_server server{{"-l", "1M", "-n", "1"}};
    net::io_context io;
    survivor s{io, server.socket(), survivor_sends};
    std::mt19937 random{survivor_sends ? 1U : 2U};
    unsigned started = 0;
    const auto start = [&](unsigned long step) {
        const std::vector<std::string> command{PEER, survivor_sends ? "receive" : "send",
                                               server.socket(), std::to_string(step)};
        return std::make_unique<host::process>(command, server.folder /
                                                            ("peer" + std::to_string(++started)));
    };
    unsigned with_messages = 0;
    unsigned half_way = 0;
    std::uint64_t messages = 0;
    for (int i = 0; i < kills / 2; ++i) {
        const bool by_itself = i % 2 == 0; // at a step, or else at any time
        const auto victim = start(by_itself ? 1 + random() % 90 : 0);
        if (by_itself) {
            for (int waited = 0; waited < 20'000 && victim->runs(); ++waited)
                io.run_for(std::chrono::milliseconds{1});
        } else {
            io.run_for(std::chrono::microseconds{random() % 90'000});
            victim->signal(SIGKILL);
        }
        REQUIRE(victim->wait() == 128 + SIGKILL);
        io.run_for(std::chrono::milliseconds{2}); // takes what the killed side has sent
        const report was{victim->output()};
        CHECK_FALSE(was.bad);
        const std::uint32_t transferred = s.transferred[was.incarnation];
        with_messages += transferred != 0 ? 1 : 0;
        messages += transferred;
        if (survivor_sends) {
            // A message in parts is acknowledged before the program can report it.
            const std::uint32_t acknowledged = s.acknowledged[was.incarnation];
            const bool last_in_parts = acknowledged != 0 && crash::in_parts(acknowledged - 1);
            CHECK(acknowledged <= was.received + (last_in_parts ? 1 : 0));
            CHECK(was.received <= transferred);
            half_way += was.received < transferred ? 1 : 0;
        } else {
            CHECK(was.acknowledged <= transferred);
            half_way += was.acknowledged < transferred ? 1 : 0;
        }
        INFO(s.wrong);
        CHECK(s.wrong.empty());
    }
    const auto last = start(0);
    CHECK(run_until(io, [&] { return s.session != 0 && s.transferred[s.session] >= 50; }));
    INFO(s.wrong);
    CHECK(s.wrong.empty());
    CHECK(s.losses + 1 == s.connected);
    WARN(kills / 2 << " kills, the survivor " << (survivor_sends ? "sends" : "receives") << ": "
                   << s.connected << " sessions, " << with_messages << " with messages, "
                   << half_way << " killed half way, " << messages << " messages");
    CHECK(with_messages > kills / 8);
    CHECK(half_way > kills / 16);
}
