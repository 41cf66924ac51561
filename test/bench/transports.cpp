// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// How fast messages go between two processes of this machine:
//     bench-transports TRANSPORT throughput|roundtrip SIZE [--wait spin|sleep]
//                      [--seconds S | --count N]
//     bench-transports --list | --about
// One line of JSON on standard output. The status is 77 if the transport cannot do it; the line
// says why then.

#include "transport_play.hpp"
#include "transport_processes.hpp"
#include "transports/boost_spsc.hpp"
#include "transports/cacheline.hpp"
#include "transports/channel.hpp"
#include "transports/eventfd.hpp"
#include "transports/interprocess_mq.hpp"
#include "transports/memcpy.hpp"
#include "transports/pipe.hpp"
#include "transports/tcp.hpp"
#include "transports/topic.hpp"
#include "transports/unix.hpp"
#ifdef BENCH_READERWRITERQUEUE
#include "transports/readerwriterqueue.hpp"
#endif
#ifdef BENCH_ZMQ
#include "transports/zmq.hpp"
#endif

#include <boost/version.hpp>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>

namespace bench {
namespace {

template <class Transport, waiting Wait>
result play(const request& asked, const duration& length, const std::array<int, 2>& processors) {
    using end = typename Transport::end;
    Transport made{asked};
    meeting met;
    std::optional<result> got;
    const auto first = [&] {
        end mine{made, side::first};
        met.meet();
        met.meet();
        if (asked.what == measured::throughput)
            got = receive_all<Wait>(mine, asked.size);
        else
            got = begin_trips<Wait>(mine, asked.size, length);
        met.meet();
    };
    const auto second = [&] {
        met.meet();
        end mine{made, side::second};
        met.meet();
        if (asked.what == measured::throughput)
            send_all<Wait>(mine, asked.size, length);
        else
            answer_trips<Wait>(mine, asked.size);
        met.meet();
    };
    const unsigned limit = length.count != 0 ? 60 : unsigned(2 * length.seconds) + 10;
    play_in_two_processes(processors, limit, first, second);
    return *got;
}

template <transport Transport>
result run(const request& asked, const duration& length, const std::array<int, 2>& processors) {
    using end = typename Transport::end;
    if (asked.wait == waiting::spin) {
        if constexpr (spins<end>)
            return play<Transport, waiting::spin>(asked, length, processors);
        return skipped_result{"it cannot be polled"};
    }
    if constexpr (sleeps<end>)
        return play<Transport, waiting::sleep>(asked, length, processors);
    return skipped_result{"it has no way to sleep"};
}

/// The same for transports whose messages have a size that is known at compile time.
template <template <std::size_t> class Transport>
result run_sized(const request& asked, const duration& length,
                 const std::array<int, 2>& processors) {
    result got = skipped_result{other_size};
    element_sizes::with(asked.size, [&]<std::size_t Size> {
        got = run<Transport<Size>>(asked, length, processors);
    });
    return got;
}

struct entry {
    std::string_view name;
    result (*run)(const request&, const duration&, const std::array<int, 2>&);
};

template <class Transport>
constexpr entry listed{Transport::name, run<Transport>};
template <template <std::size_t> class Transport>
constexpr entry listed_sized{Transport<8>::name, run_sized<Transport>};

constexpr entry entries[] = {
    listed<channel_transport>,
    listed<topic_transport>,
    listed<cacheline>,
    listed<eventfd_pair<true>>,
    listed<eventfd_pair<false>>,
    listed<memcpy_blocks>,
    listed_sized<boost_spsc>,
#ifdef BENCH_READERWRITERQUEUE
    listed_sized<reader_writer_queue>,
#endif
    listed<interprocess_mq>,
    listed<unix_seqpacket>,
    listed<pipe_pair>,
    listed<tcp_loopback>,
#ifdef BENCH_ZMQ
    listed<zmq_pair>,
#endif
};

constexpr const char* usage =
    "usage: bench-transports TRANSPORT throughput|roundtrip SIZE [--wait spin|sleep]\n"
    "                        [--seconds S | --count N]\n"
    "       bench-transports --list | --about";

/// The command line was not understood.
struct misused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

template <class Number>
Number number(std::string_view text, Number least, Number most) {
    Number value{};
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end || !(value >= least && value <= most))
        throw misused{std::string{text} + ": not a number from " + std::to_string(least) + " to " +
                      std::to_string(most)};
    return value;
}

template <class Value>
Value one_of(std::string_view word, std::string_view a, Value first, std::string_view b,
             Value second) {
    if (word != a && word != b)
        throw misused{std::string{word} + ": neither " + std::string{a} + " nor " + std::string{b}};
    return word == a ? first : second;
}

const entry& named(std::string_view name) {
    for (const entry& e : entries)
        if (e.name == name)
            return e;
    throw misused{std::string{name} + ": no such transport; --list has them"};
}

void print_about() {
    const auto processors = two_processors();
#ifdef __clang__
    std::printf("Clang %s", __clang_version__);
#else
    std::printf("GCC %s", __VERSION__);
#endif
    std::printf(" with %s, Boost %d.%d", BENCH_FLAGS, BOOST_VERSION / 100000,
                BOOST_VERSION / 100 % 1000);
#ifdef BENCH_ZMQ
    int major = 0, minor = 0, patch = 0;
    ::zmq_version(&major, &minor, &patch);
    std::printf(", ZeroMQ %d.%d.%d", major, minor, patch);
#endif
    std::printf("; processors %d and %d; rings of %zu KiB\n", processors[0], processors[1],
                ring_bytes / 1024);
}

int main_of(std::span<char*> words) {
    if (words.size() == 2 && words[1] == std::string_view{"--list"}) {
        for (const entry& e : entries)
            std::printf("%.*s\n", int(e.name.size()), e.name.data());
        return 0;
    }
    if (words.size() == 2 && words[1] == std::string_view{"--about"}) {
        print_about();
        return 0;
    }
    if (words.size() < 4 || words.size() % 2 != 0)
        throw misused{usage};
    const entry& chosen = named(words[1]);
    request asked{
        one_of(words[2], "throughput", measured::throughput, "roundtrip", measured::roundtrip),
        waiting::spin, number<std::size_t>(words[3], 8, std::size_t{16} << 20U)};
    duration length;
    for (std::size_t i = 4; i < words.size(); i += 2) {
        const std::string_view option = words[i], value = words[i + 1];
        if (option == "--wait")
            asked.wait = one_of(value, "spin", waiting::spin, "sleep", waiting::sleep);
        else if (option == "--seconds")
            length = {0, number<double>(value, 0.001, 600)};
        else if (option == "--count")
            length = {number<std::uint64_t>(value, 1, 100'000'000), 0};
        else
            throw misused{std::string{option} + ": no such option\n" + usage};
    }
    const auto processors = two_processors();
    result got;
    try {
        got = chosen.run(asked, length, processors);
    } catch (const unsupported& e) {
        got = skipped_result{e.what()};
    }
    print(chosen.name, asked, processors, got);
    return std::holds_alternative<skipped_result>(got) ? 77 : 0;
}

} // namespace
} // namespace bench

int main(int argc, char** argv) try {
    return bench::main_of({argv, std::size_t(argc)});
} catch (const bench::misused& e) {
    std::fprintf(stderr, "bench-transports: %s\n", e.what());
    return 2;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-transports: %s\n", e.what());
    return 1;
}
