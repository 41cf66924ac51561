// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Memory that runs out at any step of a function: the result is -ENOMEM, nothing else, and what was
// there before goes on.

#include "helpers/catch.hpp"
#include "helpers/server_process.hpp"
#include "temp_dir.hpp"
#include "trees.hpp"

#include <ivshmem/ivshmem.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>

namespace {

/// The allocations that succeed before one fails; negative: none fails.
thread_local long allocations_left = -1;

void* allocate(std::size_t size) {
    if (allocations_left == 0)
        throw std::bad_alloc{};
    if (allocations_left > 0)
        --allocations_left;
    void* const made = std::malloc(size == 0 ? 1 : size);
    if (made == nullptr)
        throw std::bad_alloc{};
    return made;
}

/// Calls a function again and again, each time with one more allocation, until it does not return
/// -ENOMEM.
/// @return Its result, and how often there was no memory.
template <typename Call>
std::pair<int, long> with_little_memory(Call call) {
    for (long enough = 0;; ++enough) {
        REQUIRE(enough < 100'000);
        allocations_left = enough;
        const int result = call();
        allocations_left = -1;
        if (result != -ENOMEM)
            return {result, enough};
        CHECK(ivshmem_last_error() == std::string{"no memory"});
    }
}

/// As that, for a function that allocates, and then succeeds.
template <typename Call>
void check_needs_memory(Call call) {
    const auto [result, times] = with_little_memory(call);
    CHECK(result == 0);
    CHECK(times > 0);
}

} // namespace

void* operator new(std::size_t size) {
    return allocate(size);
}
void* operator new[](std::size_t size) {
    return allocate(size);
}
// AddressSanitizer has its own of these two.
void* operator new(std::size_t size, const std::nothrow_t& /*unused*/) noexcept {
    return allocations_left == 0 ? nullptr : std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, const std::nothrow_t& /*unused*/) noexcept {
    return allocations_left == 0 ? nullptr : std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* at) noexcept {
    std::free(at);
}
void operator delete(void* at, std::size_t /*unused*/) noexcept {
    std::free(at);
}
void operator delete[](void* at) noexcept {
    std::free(at);
}
void operator delete[](void* at, std::size_t /*unused*/) noexcept {
    std::free(at);
}

TEST_CASE("discovery without memory") {
    const fake::temp_dir root;
    fake::build_machine("plain", root.path());
    ivshmem_discovery* found = nullptr;
    check_needs_memory([&] { return ivshmem_discovery_open(root.path().c_str(), &found); });
    CHECK(ivshmem_discovery_close(found) == 0);
    ivshmem_monitor* monitor = nullptr;
    check_needs_memory([&] { return ivshmem_monitor_open(&monitor); });
    CHECK(ivshmem_monitor_close(monitor) == 0);
}

TEST_CASE("errors without memory") {
    ivshmem_device* device = nullptr;
    const auto [result, times] =
        with_little_memory([&] { return ivshmem_device_open("nonsense", nullptr, &device); });
    CHECK(result == IVSHMEM_BAD_SELECTOR);
    CHECK(times > 0);
    CHECK(device == nullptr);
}

TEST_CASE("devices, slots, channels and topics without memory") {
    const host::running_server server{{"-l", "4M", "-n", "1"}};
    const std::string which = "server:" + server.socket();
    ivshmem_open_options options{};
    options.size = sizeof options;
    options.vectors = 1;
    std::array<ivshmem_device*, 2> device{};
    std::array<ivshmem_slot*, 2> slot{};
    std::array<ivshmem_channel*, 2> channel{};
    check_needs_memory([&] { return ivshmem_device_open(which.c_str(), &options, &device[0]); });
    REQUIRE(ivshmem_device_open(which.c_str(), &options, &device[1]) == 0);

    ivshmem_claim* claim = nullptr;
    check_needs_memory([&] { return ivshmem_claim_open(device[0], 0, nullptr, &claim); });
    CHECK(ivshmem_claim_close(claim) == 0);
    check_needs_memory([&] { return ivshmem_slot_claim(device[0], 0, nullptr, &slot[0]); });
    REQUIRE(ivshmem_slot_claim(device[1], 1, nullptr, &slot[1]) == 0);

    ivshmem_service* service = nullptr;
    ivshmem_connector* connector = nullptr;
    check_needs_memory([&] { return ivshmem_service_open(slot[0], "service", nullptr, &service); });
    check_needs_memory(
        [&] { return ivshmem_connector_open(slot[1], "service", -1, nullptr, &connector); });
    CHECK(with_little_memory([&] {
              return ivshmem_service_find(slot[1], "service", 0, nullptr);
          }).first == 0);
    for (int i = 0; i < 10 && (channel[0] == nullptr || channel[1] == nullptr); ++i) {
        if (channel[1] == nullptr)
            with_little_memory(
                [&] { return ivshmem_connector_try_connect(connector, &channel[1]); });
        if (channel[0] == nullptr)
            with_little_memory([&] { return ivshmem_service_try_accept(service, &channel[0]); });
    }
    REQUIRE(channel[0] != nullptr);
    REQUIRE(channel[1] != nullptr);
    CHECK(ivshmem_connector_close(connector) == 0);
    CHECK(ivshmem_service_close(service) == 0);

    std::string text(100, 't');
    std::size_t size = 0;
    // The usual ways need no memory.
    allocations_left = 0;
    const int sent = ivshmem_channel_try_send(channel[0], text.data(), text.size());
    const int received = ivshmem_channel_try_receive(channel[1], text.data(), text.size(), &size);
    const int none = ivshmem_channel_try_receive(channel[1], text.data(), text.size(), &size);
    const int rung = ivshmem_device_ring(device[0], 0, 0);
    allocations_left = -1;
    CHECK(sent == 0);
    CHECK(received == 0);
    CHECK(none == -EAGAIN);
    CHECK(rung == 0);

    // Parts of a message are kept in memory.
    std::string large(200'000, 'l');
    std::size_t done = 0;
    long times = 0;
    for (int result = -EAGAIN; result != 0;) {
        result = ivshmem_channel_send_some(channel[0], large.data(), large.size(), &done);
        times +=
            with_little_memory([&] { return ivshmem_channel_gather(channel[1], &size); }).second;
    }
    CHECK(times > 0);
    REQUIRE(ivshmem_channel_gather(channel[1], &size) == 0);
    CHECK(size == large.size());

    // A topic whose writer got no memory has ended: another one can be made.
    ivshmem_topic_writer* writer = nullptr;
    ivshmem_topic_reader* reader = nullptr;
    check_needs_memory(
        [&] { return ivshmem_topic_reader_open(slot[1], "topic", nullptr, &reader); });
    check_needs_memory(
        [&] { return ivshmem_topic_writer_open(slot[0], "topic", nullptr, &writer); });
    int may_sleep = 0;
    check_needs_memory([&] { return ivshmem_topic_reader_arm(reader, &may_sleep); });
    allocations_left = 0;
    const int published = ivshmem_topic_writer_publish(writer, text.data(), text.size());
    ivshmem_topic_message message{};
    message.size = sizeof message;
    const int read = ivshmem_topic_reader_try_read(reader, text.data(), text.size(), &message);
    const int empty = ivshmem_topic_reader_try_read(reader, text.data(), text.size(), &message);
    allocations_left = -1;
    CHECK(published == 0);
    CHECK(read == 0);
    CHECK(empty == -EAGAIN);
    CHECK(ivshmem_topic_reader_close(reader) == 0);
    CHECK(ivshmem_topic_writer_close(writer) == 0);

    for (auto* const c : channel)
        CHECK(ivshmem_channel_close(c) == 0);
    for (auto* const s : slot)
        CHECK(ivshmem_slot_close(s) == 0);
    for (auto* const d : device)
        CHECK(ivshmem_device_close(d) == 0);
}
