// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Topics in C beside those in C++: each side writes for the other.

#include "helpers/catch.hpp"
#include "helpers/server_process.hpp"

#include <ivshmem/ivshmem.h>
#include <ivshmem/ivshmem.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

/// A slot in C++, and one in C, at a server.
struct two_languages {
    two_languages() {
        ivshmem_open_options options{};
        options.size = sizeof options;
        options.vectors = 1;
        REQUIRE(ivshmem_device_open(("server:" + server.socket()).c_str(), &options, &device) == 0);
        REQUIRE(ivshmem_slot_claim(device, 1, nullptr, &in_c) == 0);
    }
    two_languages(const two_languages&) = delete;
    two_languages& operator=(const two_languages&) = delete;
    ~two_languages() {
        ivshmem_slot_close(in_c);
        ivshmem_device_close(device);
    }

    const host::running_server server{{"-l", "4M", "-n", "1"}};
    ivshmem::device at{ivshmem::device::open(ivshmem::selector::server(server.socket()),
                                             {.timeout = std::chrono::seconds{30}, .vectors = 1})};
    ivshmem::slot in_cpp{ivshmem::slot::claim(at, {.number = 0})};
    ivshmem_device* device = nullptr;
    ivshmem_slot* in_c = nullptr;
};

std::string text_of(std::uint64_t number) {
    std::string text(number % 300, static_cast<char>('a' + number % 26));
    return text;
}

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span{text});
}

constexpr std::uint64_t count = 1000;

} // namespace

TEST_CASE("a topic that is written in C and read in C++") {
    two_languages peers;
    auto reader = ivshmem::topic_reader::open(peers.in_cpp, "topic");
    ivshmem_topic_writer* writer = nullptr;
    REQUIRE(ivshmem_topic_writer_open(peers.in_c, "topic", nullptr, &writer) == 0);
    std::vector<std::byte> buffer;
    for (std::uint64_t number = 1; number <= count; ++number) {
        const std::string text = text_of(number);
        if (number % 2 == 0) {
            REQUIRE(ivshmem_topic_writer_publish(writer, text.data(), text.size()) == 0);
        } else {
            void* memory = nullptr;
            REQUIRE(ivshmem_topic_writer_loan(writer, text.size(), &memory) == 0);
            std::memcpy(memory, text.data(), text.size());
            REQUIRE(ivshmem_topic_writer_publish_loan(writer) == 0);
        }
        const auto got = reader.try_read(buffer);
        REQUIRE(got.has_value());
        REQUIRE(got->sequence == number);
        REQUIRE(got->skipped == 0);
        REQUIRE(std::memcmp(buffer.data(), text.data(), text.size()) == 0);
        REQUIRE(buffer.size() == text.size());
    }
    CHECK_FALSE(reader.try_read(buffer).has_value());
    CHECK(reader.arm());
    ivshmem_topic_writer_facts facts{};
    facts.size = sizeof facts;
    CHECK(ivshmem_topic_writer_publish(writer, nullptr, 0) == 0);
    CHECK(ivshmem_topic_writer_get_facts(writer, &facts) == 0);
    CHECK(facts.sequence == count + 1);
    CHECK(facts.rings == 1);
    CHECK(reader.try_read(buffer).has_value());
    CHECK(ivshmem_topic_writer_close(writer) == 0);
    std::error_code ec;
    CHECK_FALSE(reader.try_read(buffer, ec).has_value());
    CHECK(ec == ivshmem::errc::topic_closed);
}

TEST_CASE("a topic that is written in C++ and read in C") {
    two_languages peers;
    ivshmem_topic_reader* reader = nullptr;
    ivshmem_topic_message message{};
    message.size = sizeof message;
    REQUIRE(ivshmem_topic_reader_open(peers.in_c, "topic", nullptr, &reader) == 0);
    REQUIRE(ivshmem_topic_reader_try_view(reader, &message) == -EAGAIN);
    auto writer = ivshmem::topic_writer::create(peers.in_cpp, "topic");
    std::array<char, 300> buffer{};
    const auto now = [] {
        return static_cast<std::uint64_t>(
            std::chrono::nanoseconds{std::chrono::system_clock::now().time_since_epoch()}.count());
    };
    for (std::uint64_t number = 1; number <= count; ++number) {
        const std::string text = text_of(number);
        const auto before = now();
        writer.publish(bytes(text));
        int valid = 0;
        if (number % 2 == 0) {
            REQUIRE(ivshmem_topic_reader_read(reader, buffer.data(), buffer.size(), &message, 0) ==
                    0);
        } else {
            REQUIRE(ivshmem_topic_reader_view(reader, &message, 0) == 0);
            REQUIRE(ivshmem_topic_reader_copy_out(reader, &message, buffer.data(), message.length,
                                                  &valid) == 0);
            REQUIRE(valid == 1);
        }
        REQUIRE(message.sequence == number);
        REQUIRE(message.skipped == 0);
        REQUIRE(message.time_ns >= before);
        REQUIRE(message.time_ns <= now());
        REQUIRE(std::string_view{buffer.data(), message.length} == text);
    }
    CHECK(ivshmem_topic_reader_try_read(reader, buffer.data(), buffer.size(), &message) == -EAGAIN);
    int may_sleep = 0;
    CHECK(ivshmem_topic_reader_arm(reader, &may_sleep) == 0);
    CHECK(may_sleep == 1);
    writer.publish(bytes("rings"));
    CHECK(writer.rings() == 1);
    CHECK(ivshmem_topic_reader_close(reader) == 0);
}
