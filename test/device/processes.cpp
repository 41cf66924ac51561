// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Forks, signals, other processes and threads.

#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "helpers/fake_server.hpp"
#include "helpers/resources.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace test;
using ivshmem::errc;
using namespace std::chrono_literals;

namespace {

/// Runs `body` in a child; its result is the exit status.
template <typename Body>
int in_child(Body&& body) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        int result = 99;
        try {
            result = body();
        } catch (...) { // reported by the status
        }
        ::_exit(result);
    }
    int status = 0;
    REQUIRE(ivshmem::retry_eintr([&] { return ::waitpid(child, &status, 0); }) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::atomic<unsigned> signals{0};

/// Sends a signal each millisecond, which interrupts system calls.
class signal_storm {
  public:
    signal_storm() {
        struct sigaction action {};
        action.sa_handler = [](int) {
            ++signals;
        };
        REQUIRE(::sigaction(SIGALRM, &action, &before_) == 0); // without SA_RESTART
        const itimerval each{{0, 1000}, {0, 1000}};
        REQUIRE(::setitimer(ITIMER_REAL, &each, nullptr) == 0);
    }
    signal_storm(const signal_storm&) = delete;
    signal_storm& operator=(const signal_storm&) = delete;
    ~signal_storm() {
        const itimerval none{};
        ::setitimer(ITIMER_REAL, &none, nullptr);
        ::sigaction(SIGALRM, &before_, nullptr);
    }

  private:
    struct sigaction before_ {};
};

} // namespace

TEST_CASE("in a forked child every member fails, and no peer is rung") {
    const deadline limit;
    session s{{7, 2, {3}}};
    const int failed = in_child([&] {
        int step = 0;
        const auto forked = [&](const std::error_code& ec) {
            ++step;
            return ec == errc::forked;
        };
        std::error_code ec;
        s.dev.ring(7, 0, ec);
        if (!forked(ec))
            return step;
        s.dev.ring(3, 0, ec);
        if (!forked(ec))
            return step;
        s.dev.take(0, ec);
        if (!forked(ec))
            return step;
        s.dev.wait(0, 10s, ec);
        if (!forked(ec))
            return step;
        static_cast<void>(s.dev.interrupt_fd(0, ec));
        if (!forked(ec))
            return step;
        static_cast<void>(s.dev.any_interrupt_fd(ec));
        if (!forked(ec))
            return step;
        s.dev.take_any(ec);
        if (!forked(ec))
            return step;
        static_cast<void>(s.dev.event_fd(ec));
        if (!forked(ec))
            return step;
        s.dev.next_event(ec);
        if (!forked(ec))
            return step;
        static_cast<void>(s.dev.peers(ec));
        if (!forked(ec))
            return step;
        return s.dev.is_open() ? 0 : 50;
    });
    CHECK(failed == 0);
    CHECK_FALSE(s.dev.take_any().has_value());
    CHECK(counter(s.side.others[0][0]) == 0);
}

TEST_CASE("a child that closes the device, or exits, does not disturb the parent") {
    const deadline limit;
    session s{{7, 2, {3}}};
    s.dev.ring(7, 1);
    CHECK(in_child([&] {
              s.dev.close();
              return s.dev.is_open() ? 1 : 0;
          }) == 0);
    CHECK(in_child([] { return 0; }) == 0);
    CHECK(s.dev.take_any() == ivshmem::interrupt_count{1, 1});
    const auto vectors = make_eventfds(2);
    join(s.side.link, 5, vectors);
    CHECK(s.dev.next_event() == ivshmem::event{ivshmem::event::kind::peer_joined, 5});
    s.dev.ring(5, 0);
    CHECK(counter(vectors[0]) == 1);
    s.dev.memory()[0] = std::byte{1};
}

TEST_CASE("a child may open its own device") {
    const deadline limit;
    session s;
    CHECK(in_child([] {
              session own;
              own.dev.ring(7, 0);
              return own.dev.take(0) == 1 ? 0 : 1;
          }) == 0);
}

TEST_CASE("a storm of signals changes nothing") {
    const deadline limit;
    const signal_storm storm;
    const auto before = resources::now();
    for (int round = 0; round < 20; ++round) {
        session s{{7, 2, {3}}}; // the server's thread is interrupted, too
        std::error_code ec;
        s.dev.wait(0, 7ms, ec);
        CHECK(ec == errc::timed_out);
        std::thread other{[&] {
            std::this_thread::sleep_for(5ms);
            s.dev.ring(7, 1);
        }};
        CHECK(s.dev.wait(1, -1ms) == 1);
        other.join();
        for (int i = 0; i < 1000; ++i) {
            s.dev.ring(7, 0);
            CHECK(s.dev.take_any() == ivshmem::interrupt_count{0, 1});
        }
        const auto vectors = make_eventfds(2);
        join(s.side.link, 5, vectors);
        CHECK(s.dev.next_event() == ivshmem::event{ivshmem::event::kind::peer_joined, 5});
        CHECK(s.dev.peers().size() == 2);
    }
    const fake_server silent;
    ivshmem::open_options brief;
    brief.timeout = 30ms;
    std::error_code ec;
    CHECK_FALSE(ivshmem::device::open(silent.selector(), brief, ec).is_open());
    CHECK(ec == errc::timed_out);
    CHECK(signals > 20);
    CHECK(resources::now().mappings == before.mappings);
}

TEST_CASE("rings of another process are neither lost nor invented") {
    const deadline limit;
    session s;
    constexpr std::uint64_t rings = 200'000;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const std::uint64_t one = 1;
        for (std::uint64_t i = 0; i < rings; ++i)
            if (::write(s.side.own[0].get(), &one, sizeof one) != sizeof one)
                ::_exit(1);
        ::_exit(0);
    }
    std::uint64_t heard = 0;
    while (heard < rings)
        heard += s.dev.wait(0, 30s);
    CHECK(heard == rings);
    CHECK(s.dev.take(0) == 0);
    int status = -1;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

TEST_CASE("threads may ring while others take, and while peers come and go") {
    const deadline limit;
    session s{{7, 2, {3}}};
    constexpr std::uint64_t rings = 20'000;
    std::vector<std::thread> threads;
    for (std::uint32_t vector = 0; vector < 2; ++vector)
        for (int i = 0; i < 2; ++i)
            threads.emplace_back([&s, vector] {
                for (std::uint64_t n = 0; n < rings; ++n) {
                    s.dev.ring(7, vector);
                    if (n % 64 == 0)
                        s.dev.ring(1000, 0); // reads the server's messages
                }
            });
    std::array<std::uint64_t, 2> heard{};
    for (std::uint32_t vector = 0; vector < 2; ++vector)
        threads.emplace_back([&s, &heard, vector] {
            while (heard.at(vector) < 2 * rings)
                heard.at(vector) += s.dev.wait(vector, 30s);
        });
    threads.emplace_back([&s] {
        const auto vectors = make_eventfds(2);
        for (int i = 0; i < 500; ++i) {
            join(s.side.link, 5, vectors);
            s.side.link.send(5);
            static_cast<void>(s.dev.next_event());
            static_cast<void>(s.dev.peers());
        }
    });
    for (auto& thread : threads)
        thread.join();
    CHECK(heard == std::array{2 * rings, 2 * rings});
}
