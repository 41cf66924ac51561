// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// One writer, and readers in processes of their own at a real server: some keep up, one is stopped,
// one is killed, one comes late, and one writes anything into its own section.

#include "helpers/catch.hpp"
#include "helpers/counted_topic.hpp"
#include "helpers/server_process.hpp"

#include <ivshmem/device.hpp>
#include <ivshmem/slot.hpp>
#include <ivshmem/topic_reader.hpp>
#include <ivshmem/topic_writer.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using ivshmem::errc;
using ivshmem::topic_reader;
using ivshmem::topic_writer;
using namespace std::chrono_literals;

namespace {

constexpr ivshmem::region_geometry geometry{8, 1, 1024};
constexpr const char* name = "plant";

/// The statuses of readers.
enum : int { exact = 0, wrong_bytes = 1, wrong_count = 2, wrong_end = 3, failed = 4, skipping = 5 };

ivshmem::device join(const std::string& socket) {
    ivshmem::open_options options;
    options.vectors = 1;
    options.timeout = 30s;
    return ivshmem::device::open(ivshmem::selector::server(socket), options);
}

ivshmem::slot claim(const ivshmem::device& at, std::uint32_t number) {
    ivshmem::slot_options options;
    options.number = number;
    options.geometry = geometry;
    return ivshmem::slot::claim(at, options);
}

/// A process with an end of a pipe, on which it reports that it is ready.
class child {
  public:
    template <typename Body>
    explicit child(Body body) {
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            int status = failed;
            try {
                status = body([&] { static_cast<void>(::write(ends[1], "r", 1) == 1); });
            } catch (const std::exception& e) { // the status reports it
                std::fputs((std::string{e.what()} + "\n").c_str(), stderr);
            }
            ::_exit(status);
        }
        ::close(ends[1]);
        ready_ = ends[0];
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() {
        ::close(ready_);
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }
    /// Waits until it is ready.
    void wait_until_ready() const {
        char byte = 0;
        REQUIRE(::read(ready_, &byte, 1) == 1);
    }
    void wait_until_stopped() const {
        int status = 0;
        REQUIRE(::waitpid(pid_, &status, WUNTRACED) == pid_);
        REQUIRE(WIFSTOPPED(status));
    }
    void signal(int number) const { REQUIRE(::kill(pid_, number) == 0); }
    /// Its status; 128 and more: the signal that ended it.
    int status() {
        int status = 0;
        REQUIRE(::waitpid(std::exchange(pid_, -1), &status, 0) > 0);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }

  private:
    pid_t pid_ = -1;
    int ready_ = -1;
};

/// How a reader behaves.
struct habits {
    std::uint32_t slot = 1;
    std::uint64_t history = 0;
    bool late = false;  ///< it does not see the beginning
    bool stops = false; ///< itself, after a message
    bool must_not_skip = false;
    std::uint64_t total = 0; ///< the messages of the topic
};

/// Reads until the topic ends, and counts.
int read_all(const std::string& socket, const habits& how, const std::function<void()>& ready) {
    auto device = join(socket);
    const auto slot = claim(device, how.slot);
    const auto count = test::count_messages(
        device, slot, name, {.history = how.history},
        [&] {
            if (!how.late)
                ready();
        },
        [&](const test::topic_count& so_far) {
            if (so_far.read == 1 && how.late)
                ready();
            if (so_far.read == 1 && how.stops)
                ::raise(SIGSTOP);
        });
    if (!count.whole)
        return wrong_bytes;
    if (count.end != errc::topic_closed)
        return wrong_end;
    if (!count.is_exact || !count.adds_up_to(how.total) || (!how.late && count.first != 1))
        return wrong_count;
    return how.must_not_skip && count.skipped != 0 ? skipping : exact;
}

/// Holds a slot, and writes anything behind its header: topics, words to be rung, all of it.
int scribble(const std::string& socket, std::uint32_t number, const std::function<void()>& ready) {
    auto device = join(socket);
    const auto slot = claim(device, number);
    const auto& all = device.memory();
    const std::size_t section = all.size() / geometry.slots;
    std::mt19937 random{number};
    auto* const words = all.data() + section * number;
    for (bool first = true;; first = false) {
        for (int i = 0; i < 100'000; ++i) {
            const auto value =
                static_cast<std::uint32_t>(random() % 4 == 0 ? random() : random() % 512);
            // The part for topics most of the time, of which the words to be rung come first.
            const std::size_t from = 4096 + 7 * (256 + 1024);
            const std::size_t at =
                from + random() % (random() % 2 == 0 ? 8192 : section - from) / 4 * 4;
            if (at + 4 <= section)
                std::memcpy(words + at, &value, 4);
        }
        if (first)
            ready();
    }
}

} // namespace

TEST_CASE(
    "readers that keep up skip nothing, whatever becomes of the others; all counts are exact") {
    // At 5000 messages a second the ring holds those of more than a second: no reader that runs
    // skips. Without a pause, the writer overtakes everybody.
    const bool paced = GENERATE(true, false);
    const std::uint64_t total = paced ? 10'000 : 100'000;
    INFO((paced ? "5000 messages a second" : "no pause"));
    const host::running_server server{{"-l", "64M", "-n", "1"}};
    const auto& socket = server.socket();
    const auto reader = [&](habits how) {
        how.total = total;
        return [=](const std::function<void()>& ready) {
            return read_all(socket, how, ready);
        };
    };
    child honest{reader({.slot = 1, .must_not_skip = paced})};
    child other{reader({.slot = 2, .must_not_skip = paced})};
    child frozen{reader({.slot = 3, .stops = true})};
    child killed{reader({.slot = 4})};
    child hostile{[&](const std::function<void()>& ready) {
        return scribble(socket, 5, ready);
    }};
    const auto device = join(socket);
    auto slot = claim(device, 0);
    for (const auto* each : {&honest, &other, &frozen, &killed, &hostile})
        each->wait_until_ready();
    auto out = topic_writer::create(slot, name, {.size = 2 << 20, .messages = 8192});
    std::optional<child> late;
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 1; i <= total; ++i) {
        out.publish(test::counted_message(i));
        slot.answer_claims();
        if (i == 10)
            frozen.wait_until_stopped();
        if (i == total / 4)
            killed.signal(SIGKILL);
        if (i == total / 2) {
            late.emplace(reader({.slot = 6, .history = 3, .late = true, .must_not_skip = paced}));
            late->wait_until_ready();
        }
        if (paced)
            std::this_thread::sleep_until(begin + i * 200us);
    }
    out.close();
    frozen.signal(SIGCONT);
    CHECK(honest.status() == exact);
    CHECK(other.status() == exact);
    CHECK(frozen.status() == exact);
    CHECK(killed.status() == 128 + SIGKILL);
    CHECK(late->status() == exact);
    hostile.signal(SIGKILL);
    CHECK(hostile.status() == 128 + SIGKILL);
}

TEST_CASE(
    "a writer that is killed is lost once what it published was read; the next one is found") {
    const host::running_server server{{"-l", "8M", "-n", "1"}};
    const auto device = join(server.socket());
    const auto slot = claim(device, 0);
    auto in = topic_reader::open(slot, name);
    std::vector<std::byte> into;
    for (int round = 0; round < 10; ++round) {
        child writer{[&](const std::function<void()>& ready) {
            const auto at = join(server.socket());
            ivshmem::slot_options options;
            options.number = 1;
            options.geometry = geometry;
            options.claim_time = 20ms; // the former holder was killed
            auto own = ivshmem::slot::claim(at, options);
            auto out = topic_writer::create(own, name);
            for (std::uint64_t i = 1; i <= 5; ++i)
                out.publish(test::counted_message(i));
            ready();
            for (;;) {
                own.answer_claims();
                std::this_thread::sleep_for(1ms);
            }
            return failed;
        }};
        writer.wait_until_ready();
        writer.signal(SIGKILL);
        CHECK(writer.status() == 128 + SIGKILL);
        std::error_code ec;
        std::uint64_t read = 0;
        REQUIRE(host::eventually([&] {
            while (const auto got = in.try_read(into, ec)) {
                CHECK(got->sequence == ++read);
                CHECK(into == test::counted_message(read));
            }
            std::error_code updated;
            in.update(updated);
            return static_cast<bool>(ec);
        }));
        CHECK(ec == errc::peer_lost);
        CHECK(read == 5);
        CHECK(in.skipped() == 0);
        in.reopen();
    }
}
