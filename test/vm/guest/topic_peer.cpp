// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer that writes or reads a topic of counted messages, or disturbs those that do.

#include "helpers/counted_topic.hpp"
#include "probe.hpp"

#include <ivshmem/topic_writer.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <map>
#include <random>
#include <span>
#include <string_view>
#include <thread>

namespace {

using probe::number;
using probe::say;
using probe::words;
using namespace std::chrono_literals;

constexpr const char* usage = R"(Usage: topic-peer [OPTION]... COMMAND DEVICE SLOT [ARGUMENT]...
Writes and reads topics of counted messages, for tests.

  write TOPIC COUNT PACERS [PAUSE]...
                    write so many messages, at most half of the ring before the
                    slowest of the readers in these slots ("1,2"; "-": do not
                    wait); SIGUSR1 ends a pause before a message
  read TOPIC [stop] check all messages, and report to the writer how many were
                    read; stop: SIGSTOP after the first one
  scribble [SLOT]   claim the slot, and write anything behind the header of the
                    section, or of that of another slot, until SIGTERM

  -g SLOTS,LANES,RING   insist on a geometry
  -b BYTES              the size of the topic's data
  -m MESSAGES           of the topic's index

An error is "error CATEGORY NUMBER MESSAGE".
Exit codes: 0 done, 1 not as promised, 2 bad options, 3 an error of the library.
)";

[[noreturn]] void bad_usage() {
    std::fputs(usage, stderr);
    std::exit(2);
}

struct settings {
    ivshmem::slot_options slot;
    ivshmem::topic_options topic{.size = 256 << 10, .messages = 1024};
};

/// A claimed slot.
struct place {
    ivshmem::device& device;
    ivshmem::slot slot;
    const settings& how;
};

/// The topic in which a reader reports how many messages it has read.
std::string report_of(std::uint32_t slot) {
    return "read by " + std::to_string(slot);
}
/// After so many messages.
constexpr std::uint64_t report_each = 32;

volatile std::sig_atomic_t signalled = 0;

void note(int number) {
    signalled = number;
}

/// Keeps the slot until a signal comes.
void wait_for_signal(place& at) {
    while (signalled == 0) {
        at.slot.answer_claims();
        std::this_thread::sleep_for(2ms);
    }
    signalled = 0;
}

/// The readers that the writer must not leave behind.
class pacers {
  public:
    pacers(const place& at, const std::string& slots) {
        for (std::size_t from = 0; slots != "-" && from < slots.size();) {
            const std::size_t end = std::min(slots.find(',', from), slots.size());
            const auto slot =
                static_cast<std::uint32_t>(std::stoul(slots.substr(from, end - from)));
            readers_.push_back({ivshmem::topic_reader::open(at.slot, report_of(slot)), 0});
            from = end + 1;
        }
    }
    /// Waits until each has read a message.
    void wait_for(std::uint64_t number, place& at) {
        for (auto& [reader, read] : readers_)
            while (read < number) {
                if (const auto got = reader.try_read_latest(into_);
                    got && into_.size() == sizeof read)
                    std::memcpy(&read, into_.data(), sizeof read);
                if (read >= number)
                    break;
                at.slot.answer_claims();
                std::this_thread::sleep_for(500us);
            }
    }

  private:
    struct pacer {
        ivshmem::topic_reader reader;
        std::uint64_t read;
    };

    std::vector<pacer> readers_;
    std::vector<std::byte> into_;
};

void write(place& at, const words& args) {
    if (args.size() < 3)
        bad_usage();
    const std::uint64_t count = number(args, 1, 0);
    std::vector<std::uint64_t> pauses;
    for (std::size_t i = 3; i < args.size(); ++i)
        pauses.push_back(number(args, i, 0));
    const std::uint64_t ahead = at.how.topic.messages / 2;
    pacers slowest{at, args[2]};
    auto out = ivshmem::topic_writer::create(at.slot, args[0], at.how.topic);
    say("writing");
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t next = 1; next <= count; ++next) {
        if (std::find(pauses.begin(), pauses.end(), next) != pauses.end()) {
            say("before: %llu", static_cast<unsigned long long>(next));
            wait_for_signal(at);
        }
        if (next > ahead)
            slowest.wait_for(next - ahead, at);
        out.publish(test::counted_message(next));
        if (next % 16 == 0)
            at.slot.answer_claims();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    out.close();
    say("written: %llu", static_cast<unsigned long long>(count));
    say("seconds: %.3f", took.count());
    wait_for_signal(at);
}

void read(place& at, const words& args) {
    if (args.empty())
        bad_usage();
    const bool stops = args.size() > 1;
    auto report = ivshmem::topic_writer::create(at.slot, report_of(at.slot.number()),
                                                {.size = 64, .messages = 2});
    const auto count = test::count_messages(
        at.device, at.slot, args[0], {}, [] { say("reading"); },
        [&](const test::topic_count& so_far) {
            if (so_far.read == 1)
                say("began");
            if (stops && so_far.read == 1)
                std::raise(SIGSTOP);
            if (so_far.last % report_each == 0)
                report.publish(std::as_bytes(std::span{&so_far.last, 1}));
        });
    say("end: %d", count.end.value());
    say("bytes: %s", count.whole ? "whole" : "wrong");
    say("counts: %s", count.is_exact ? "exact" : "wrong");
    say("first: %llu", static_cast<unsigned long long>(count.first));
    say("read: %llu", static_cast<unsigned long long>(count.read));
    say("skipped: %llu", static_cast<unsigned long long>(count.skipped));
    say("last: %llu", static_cast<unsigned long long>(count.last));
}

void scribble(place& at, const words& args) {
    const auto& geometry = at.slot.geometry();
    const auto memory = at.device.memory().bytes();
    const std::size_t section = memory.size() / geometry.slots / 4096 * 4096;
    const std::uint32_t target = number(args, 0, at.slot.number());
    auto* const words = reinterpret_cast<volatile std::uint32_t*>(memory.data() + target * section);
    // Topics, and the words with which this side asks to be rung, are behind the blocks.
    const std::size_t topics = 4096 + std::size_t{geometry.slots - 1} * geometry.lanes *
                                          (256 + std::size_t{geometry.ring_size});
    std::mt19937 random{at.slot.number()};
    say("scribbling");
    while (signalled == 0) {
        for (int i = 0; i < 20'000; ++i) {
            const auto bits = static_cast<std::uint32_t>(random());
            const std::size_t from = random() % 4 == 0 ? 4096 : topics;
            const std::size_t range = random() % 2 == 0 ? 8192 : section - from;
            words[(from + random() % range) / 4] = random() % 4 == 0 ? bits : bits % 512;
        }
        at.slot.answer_claims();
        std::this_thread::sleep_for(1ms); // others run
    }
    say("scribbled");
}

settings parse(words& args) {
    settings how;
    std::size_t at = 0;
    for (; at + 1 < args.size() && args[at].starts_with('-'); at += 2) {
        const std::string& value = args[at + 1];
        if (args[at] == "-g") {
            ivshmem::region_geometry parsed;
            if (std::sscanf(value.c_str(), "%u,%u,%u", &parsed.slots, // NOLINT(cert-err34-c)
                            &parsed.lanes, &parsed.ring_size) != 3)
                bad_usage();
            how.slot.geometry = parsed;
        } else if (args[at] == "-b") {
            how.topic.size = std::stoul(value);
        } else if (args[at] == "-m") {
            how.topic.messages = static_cast<std::uint32_t>(std::stoul(value));
        } else {
            bad_usage();
        }
    }
    args.erase(args.begin(), args.begin() + static_cast<std::ptrdiff_t>(at));
    if (args.size() < 3)
        bad_usage();
    return how;
}

int run(words args) {
    settings how = parse(args);
    static const std::map<std::string, void (*)(place&, const words&)> commands{
        {"write", write}, {"read", read}, {"scribble", scribble}};
    const auto known = commands.find(args[0]);
    if (known == commands.end())
        bad_usage();
    std::signal(SIGTERM, note);
    std::signal(SIGUSR1, note);
    ivshmem::open_options options;
    options.timeout = 30s;
    auto device = ivshmem::device::open(args[1], options);
    how.slot.number = number(args, 2, 0);
    place at{device, ivshmem::slot::claim(device, how.slot), how};
    args.erase(args.begin(), args.begin() + 3);
    known->second(at, args);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const std::system_error& e) {
        say("error %s %d %s", e.code().category().name(), e.code().value(), e.what());
        return 3;
    } catch (const std::exception& e) {
        say("failed: %s", e.what());
        return 1;
    }
}
