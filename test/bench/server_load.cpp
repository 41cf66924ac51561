// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Two honest clients of ivshmem-server beside crowds and clients that do harm:
//     bench-server-load [CLIENTS [JOINS]]
// CLIENTS clients that read and as many that do not (1000), and JOINS joins and leaves (10000);
// then a storm of doorbells, and writes to a header. Prints a JSON object: in each phase, the
// median of a message and its answer between the two, and of a join, in microseconds; and what the
// others did in a second. Fails if the server's descriptors or memory do not come back.

#include "load_actors.hpp"
#include "load_client.hpp"
#include "load_honest.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <thread>

#include <sys/resource.h>

namespace {

using bench::actor;
using bench::honest_pair;
using std::chrono::milliseconds;

constexpr unsigned stall_timeout = 5; // seconds
/// The heap keeps some of what it had.
constexpr std::size_t most_kept = 16 * 1024; // KiB

void print(const char* name, const bench::latency& of, double rate) {
    std::printf("\"%s\": {\"round_trip\": %.2f, \"join\": %.2f, \"rate\": %.0f}", name,
                of.round_trip, of.join, rate);
    std::fflush(stdout);
}

/// Measures while an actor is at work.
void play(const char* name, honest_pair& pair, const actor& at_work, const char* end) {
    const auto before = at_work.done();
    const auto start = std::chrono::steady_clock::now();
    const auto found = pair.measure();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    print(name, found, static_cast<double>(at_work.done() - before) / took.count());
    std::printf("%s\n", end);
}

void run(unsigned clients, unsigned joins) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    const bench::load_server server{stall_timeout};
    honest_pair pair{server.socket()};
    const auto quiet = pair.measure();
    const std::size_t descriptors = server.descriptors();
    const std::size_t resident = server.resident();
    const auto wait_for = [&](const actor& some, std::uint64_t count) {
        pair.wait_until("the server is too slow", [&] { return some.has_done(count); });
    };
    const auto come_back = [&](const char* what, std::size_t most) {
        pair.wait_until(what, [&] { return server.descriptors() <= most; });
    };
    std::printf("{");
    print("quiet", quiet, 0);
    std::printf(",\n");
    std::size_t most = 0;
    {
        const actor readers{[&](actor::counter& done) {
            bench::read_all(server.socket(), clients, done);
        }};
        wait_for(readers, clients);
        const std::size_t with_readers = server.descriptors();
        play("readers", pair, readers, ",");
        {
            const actor sloths{[&](actor::counter& done) {
                bench::read_nothing(server.socket(), clients, done);
            }};
            wait_for(sloths, clients);
            play("sloths", pair, sloths, ",");
            most = server.resident();
            come_back("clients that do not read are not dropped", with_readers + clients);
        }
        come_back("the descriptors of clients that did not read do not come back", with_readers);
        const actor churn{[&](actor::counter& done) {
            bench::join_and_leave(server.socket(), joins, done);
        }};
        play("churn", pair, churn, ",");
        wait_for(churn, joins);
    }
    come_back("the server's descriptors do not come back", descriptors);
    {
        const actor storm{[&](actor::counter& done) {
            bench::ring_all(server.socket(), pair.ids(), done);
        }};
        wait_for(storm, 1);
        play("storm", pair, storm, ",");
    }
    {
        const actor writer{[&](actor::counter& done) {
            bench::write_header(server.socket(), done);
        }};
        wait_for(writer, 1);
        play("writes", pair, writer, ",");
    }
    const auto after = pair.measure();
    print("after", after, 0);
    const std::size_t kept = server.resident();
    std::printf(",\n\"resident\": {\"before\": %zu, \"most\": %zu, \"after\": %zu}}\n", resident,
                most, kept);
    if (kept > resident + most_kept)
        throw std::runtime_error{"the server's memory does not come back"};
}

} // namespace

int main(int argc, char** argv) try {
    const auto number = [&](int at, unsigned otherwise) {
        return argc > at ? static_cast<unsigned>(std::strtoul(argv[at], nullptr, 10)) : otherwise;
    };
    run(number(1, 1000), number(2, 10'000));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-server-load: %s\n", e.what());
    return 1;
}
