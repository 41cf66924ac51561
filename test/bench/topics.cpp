// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// One writer and several readers, each a process of its own:
//     bench-topics topic|channels|zmq|iceoryx READERS BYTES SECONDS
// Prints the messages a second that each reader received. None is lost: the writer is never further
// ahead of a reader than half of the smallest queue, by counters that all ways to carry messages
// use alike. "channels" is a channel for each reader. A reader that finds nothing yields its
// processor.

#include "topics_carriers.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

namespace {

using bench::must;

/// What the processes share beside the messages.
struct progress {
    struct alignas(64) line {
        std::atomic<std::uint64_t> count{0};
    };
    static constexpr std::uint64_t none = ~std::uint64_t{0};

    std::array<line, bench::most_readers> received{};
    line last{none}; ///< the number of messages, once all were written
    line failed{};
};

progress& shared_progress() {
    void* const at = ::mmap(nullptr, sizeof(progress), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        must(-1, "mmap");
    return *new (at) progress;
}

template <class Carrier>
void read_all(const bench::meeting& of, unsigned number, progress& all) {
    typename Carrier::reader reader{of, number};
    std::vector<std::byte> message(of.size);
    std::uint64_t next = 0;
    while (next != all.last.count.load(std::memory_order_relaxed)) {
        if (all.failed.count != 0)
            return;
        if (!reader.receive(message)) {
            std::this_thread::yield();
            continue;
        }
        std::uint64_t said = 0;
        std::memcpy(&said, message.data(), sizeof said);
        if (said == bench::hello) { // until all are there
            all.received[number].count = 1;
            next = 1;
            continue;
        }
        if (said != next++)
            throw std::runtime_error{"a message was lost"};
        all.received[number].count.store(next, std::memory_order_release);
    }
}

template <class Carrier>
double write_all(const bench::meeting& of, double seconds, progress& all) {
    typename Carrier::writer writer{of};
    std::vector<std::byte> message(of.size, std::byte{1});
    const auto slowest = [&] {
        std::uint64_t least = progress::none;
        for (unsigned i = 0; i < of.readers; ++i)
            least = std::min(least, all.received[i].count.load(std::memory_order_acquire));
        return least;
    };
    const auto check = [&] {
        if (all.failed.count != 0)
            throw std::runtime_error{"a reader failed"};
        std::this_thread::yield();
    };
    const auto say = [&](std::uint64_t number) {
        std::memcpy(message.data(), &number, sizeof number);
        while (!writer.send(message))
            check();
    };
    while (slowest() == 0) {
        say(bench::hello);
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
        check();
    }
    std::uint64_t next = 1;
    std::uint64_t seen = 1;
    const auto run = [&](double length) {
        const auto start = std::chrono::steady_clock::now();
        const auto until = start + std::chrono::duration<double>{length};
        const std::uint64_t from = next;
        while (next % 16 != 0 || std::chrono::steady_clock::now() < until) {
            while (next - seen >= of.window) {
                seen = slowest();
                if (next - seen >= of.window)
                    check();
            }
            say(next++);
        }
        while (slowest() != next)
            check();
        seen = next;
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        return double(next - from) / took.count();
    };
    run(seconds / 10);
    const double result = run(seconds);
    all.last.count = next;
    return result;
}

template <class Carrier>
double play(const bench::meeting& of, double seconds) {
    progress& all = shared_progress();
    std::vector<pid_t> readers;
    for (unsigned number = 0; number < of.readers; ++number) {
        const pid_t made = must(::fork(), "fork");
        if (made == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            try {
                read_all<Carrier>(of, number, all);
                std::exit(0);
            } catch (const std::exception& e) {
                std::fprintf(stderr, "bench-topics: reader %u: %s\n", number, e.what());
                all.failed.count = 1;
                std::_Exit(1);
            }
        }
        readers.push_back(made);
    }
    double result = 0;
    try {
        result = write_all<Carrier>(of, seconds, all);
    } catch (...) {
        all.failed.count = 1;
        for (const pid_t reader : readers)
            ::waitpid(reader, nullptr, 0);
        throw;
    }
    for (const pid_t reader : readers)
        ::waitpid(reader, nullptr, 0);
    return result;
}

} // namespace

int main(int argc, char** argv) try {
    const std::map<std::string, double (*)(const bench::meeting&, double)> ways{
        {"topic", play<bench::by_topic>},
        {"channels", play<bench::by_channels>},
#ifdef BENCH_ZMQ
        {"zmq", play<bench::by_zmq>},
#endif
#ifdef BENCH_ICEORYX
        {"iceoryx", play<bench::by_iceoryx>},
#endif
    };
    if (argc != 5)
        throw std::runtime_error{
            "usage: bench-topics topic|channels|zmq|iceoryx READERS BYTES SECONDS"};
    const auto way = ways.find(argv[1]);
    if (way == ways.end()) {
        std::fprintf(stderr, "bench-topics: %s: not built\n", argv[1]);
        return 77;
    }
    const auto readers = static_cast<unsigned>(std::atoi(argv[2]));
    const auto size = static_cast<std::size_t>(std::atoll(argv[3]));
    if (readers < 1 || readers > bench::most_readers || size < 8)
        throw std::runtime_error{"1 to 8 readers, and 8 bytes or more"};
    const bench::server_process server{bench::region_size(readers, size)};
    std::printf("%.0f\n", way->second({server.selector(), readers, size, bench::window_for(size)},
                                      std::atof(argv[4])));
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-topics: %s\n", e.what());
    return 1;
}
