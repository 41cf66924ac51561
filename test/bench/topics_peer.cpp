// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// One writer and several readers in VMs, over a topic or over UDP multicast, by the same code:
//     bench-topics-peer topic DEVICE  NUMBER stream|roundtrip SIZE COUNT
//     bench-topics-peer udp ADDRESS   NUMBER stream|roundtrip SIZE COUNT
// NUMBER 0 writes, others read. ADDRESS is this side's. A reader prints "ready" first. In a stream,
// the writer waits for nobody, and each reader prints how many messages a second it received, and
// how many not. In a round trip, reader 1 answers, and the writer prints nanoseconds.

#include "doorbell_meeting.hpp"
#include "topics_peer_links.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// All messages begin with it.
struct head {
    std::uint64_t number; ///< from 1; the number of all messages, if they end with this one
    std::uint64_t ends;
};

struct game {
    unsigned number;
    bool roundtrip;
    std::size_t size;
    std::uint64_t count;
};

/// Readers end with the first of these; some could be lost.
constexpr int farewells = 25;
constexpr milliseconds farewell_time{20};

template <class Link>
class player {
  public:
    player(const std::string& where, const game& g)
        : game_{g}, link_{where, g.number}, message_(g.size, std::byte{1}) {}

    void write() {
        for (std::uint64_t i = 1; i <= game_.count; ++i) {
            const auto start = clock_type::now();
            send({i, 0});
            if (game_.roundtrip && wait_answer(i))
                times_.add(start);
        }
        for (int i = 0; i < farewells; ++i) {
            send({game_.count, 1});
            ::usleep(std::chrono::microseconds{farewell_time}.count());
        }
        if (game_.roundtrip)
            times_.print();
    }

    void read() {
        std::puts("ready");
        std::fflush(stdout);
        std::uint64_t received = 0;
        clock_type::time_point first;
        clock_type::time_point last;
        const auto patience = clock_type::now() + std::chrono::seconds{100};
        while (clock_type::now() < patience) {
            if (!link_.receive(message_, milliseconds{100}))
                continue;
            const head got = received_head();
            if (got.ends != 0) {
                report(received, got.number, last - first);
                return;
            }
            last = clock_type::now();
            if (received++ == 0)
                first = last;
            if (game_.roundtrip && game_.number == 1)
                link_.send(message_);
        }
        throw std::runtime_error{"the writer did not come to its end"};
    }

  private:
    void send(const head& as) {
        std::memcpy(message_.data(), &as, sizeof as);
        link_.send(message_);
    }
    head received_head() const {
        head got;
        std::memcpy(&got, message_.data(), sizeof got);
        return got;
    }
    /// Returns false if the message or its answer was lost.
    bool wait_answer(std::uint64_t number) {
        while (link_.receive(message_, std::chrono::seconds{1}))
            if (received_head().number == number)
                return true;
        if (++lost_ > 10)
            throw std::runtime_error{"no answer to more than 10 messages"};
        return false;
    }
    static void report(std::uint64_t received, std::uint64_t sent, clock_type::duration took) {
        if (received < 2)
            throw std::runtime_error{"all messages were lost"};
        std::printf("messages %.0f per second, received %llu of %llu\n",
                    double(received - 1) / std::chrono::duration<double>{took}.count(),
                    static_cast<unsigned long long>(received),
                    static_cast<unsigned long long>(sent));
    }

    game game_;
    Link link_;
    std::vector<std::byte> message_;
    round_trips times_{1024};
    int lost_ = 0;
};

template <class Link>
void play(const std::string& where, const game& g) {
    player<Link> one{where, g};
    g.number == 0 ? one.write() : one.read();
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 7)
        throw std::runtime_error{
            "usage: bench-topics-peer topic|udp WHERE NUMBER stream|roundtrip SIZE COUNT"};
    const game g{static_cast<unsigned>(std::atoi(argv[3])),
                 argv[4] == std::string_view{"roundtrip"}, std::strtoull(argv[5], nullptr, 10),
                 std::strtoull(argv[6], nullptr, 10)};
    if (g.size < sizeof(head))
        throw std::runtime_error{"16 bytes or more"};
    argv[1] == std::string_view{"udp"} ? play<bench::udp_link>(argv[2], g)
                                       : play<bench::topic_link>(argv[2], g);
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-topics-peer: %s\n", e.what());
    return 1;
}
