// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Signalling an eventfd that a hostile process shares.

#include "base/doorbell_writer.hpp"

#include "base/unique_fd.hpp"
#include "base/wait_fds.hpp"
#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

using ivshmem::doorbell_writer;
using ivshmem::unique_fd;
using test::deadline;

namespace {

unique_fd make_eventfd(int flags) {
    unique_fd fd{::eventfd(0, flags | EFD_CLOEXEC)};
    REQUIRE(fd);
    return fd;
}

std::uint64_t counter(const unique_fd& eventfd) {
    return ivshmem::take_eventfd(eventfd.get());
}

/// Writes as much as fits, so that the next write would sleep.
void fill(const unique_fd& eventfd) {
    const std::uint64_t most = UINT64_MAX - 1;
    std::uint64_t count = 0;
    ::fcntl(eventfd.get(), F_SETFL, O_NONBLOCK);
    while (::write(eventfd.get(), &most, sizeof most) < 0) // it fits only into an empty one
        [[maybe_unused]] const auto got = ::read(eventfd.get(), &count, sizeof count);
    ::fcntl(eventfd.get(), F_SETFL, 0);
}

} // namespace

TEST_CASE("a doorbell adds one") {
    doorbell_writer writer;
    const auto eventfd = make_eventfd(EFD_NONBLOCK);
    for (int i = 0; i < 1000; ++i)
        REQUIRE(writer.signal(eventfd.get()));
    CHECK(counter(eventfd) == 1000);
}

TEST_CASE("a doorbell that is full and blocking does not block") {
    const deadline limit;
    doorbell_writer writer;
    const auto eventfd = make_eventfd(0);
    fill(eventfd);
    CHECK(writer.signal(eventfd.get()));
    CHECK(writer.signal(eventfd.get()));
    CHECK(counter(eventfd) >= UINT64_MAX - 1);
}

TEST_CASE("a doorbell that becomes full and blocking at any moment does not block") {
    const deadline limit;
    doorbell_writer writer;
    const auto eventfd = make_eventfd(EFD_NONBLOCK);
    std::atomic<bool> end = false;
    std::thread hostile{[&] {
        while (!end)
            fill(eventfd);
    }};
    int failed = 0;
    for (int i = 0; i < 100'000; ++i)
        failed += writer.signal(eventfd.get()) ? 0 : 1;
    end = true;
    hostile.join();
    CHECK(failed == 0);
}

TEST_CASE("many doorbell writers work one after another and at once") {
    const auto eventfd = make_eventfd(EFD_NONBLOCK);
    for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<doorbell_writer>> writers;
        for (int i = 0; i < 40; ++i) {
            writers.push_back(std::make_unique<doorbell_writer>());
            REQUIRE(writers.back()->signal(eventfd.get()));
        }
    }
    CHECK(counter(eventfd) == 120);
}

TEST_CASE("a doorbell works in the child of a fork") {
    doorbell_writer writer;
    const auto eventfd = make_eventfd(EFD_NONBLOCK);
    REQUIRE(writer.signal(eventfd.get()));
    const pid_t child = ::fork();
    if (child == 0) {
        const bool ok = writer.signal(eventfd.get()) && writer.signal(eventfd.get());
        ::_exit(ok ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(writer.signal(eventfd.get()));
    CHECK(counter(eventfd) == 4);
}

TEST_CASE("a doorbell that is no descriptor is an error") {
    doorbell_writer writer;
    CHECK_FALSE(writer.signal(-1));
    CHECK(errno == EBADF);
}
