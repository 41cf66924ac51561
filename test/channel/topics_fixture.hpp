// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "fixture.hpp"

#include <ivshmem/topic_reader.hpp>
#include <ivshmem/topic_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace test {

using ivshmem::topic_message;
using ivshmem::topic_reader;
using ivshmem::topic_state;
using ivshmem::topic_writer;

/// A reader with the buffer that it reads into.
struct listener {
    listener(const slot& in, std::string_view name, std::uint64_t history = 0)
        : reader{topic_reader::open(in, name, {.history = history})} {}

    /// The next message, the errors aside.
    std::optional<std::string> next(std::error_code& ec) {
        const auto read = reader.try_read(buffer, ec);
        last = read.value_or(topic_message{});
        if (!read)
            return std::nullopt;
        return text();
    }
    std::optional<std::string> next() {
        std::error_code ec;
        auto got = next(ec);
        CHECK(ec == std::error_code{});
        return got;
    }
    std::error_code end() {
        std::error_code ec;
        CHECK_FALSE(next(ec).has_value());
        CHECK_THROWS_AS(reader.try_view(), ivshmem::error);
        return ec;
    }
    [[nodiscard]] std::string text() const {
        return {reinterpret_cast<const char*>(last.bytes.data()), last.bytes.size()};
    }

    topic_reader reader;
    std::vector<std::byte> buffer;
    topic_message last;
};

inline std::error_code not_created(const slot& in, std::string_view name,
                                   const ivshmem::topic_options& options = {}) {
    std::error_code ec;
    CHECK_FALSE(topic_writer::create(in, name, options, ec).is_open());
    CHECK_THROWS_AS(topic_writer::create(in, name, options), ivshmem::error);
    return ec;
}

/// The words of a section.
inline ivshmem::shared_words section_of(const two_holders& peers, std::uint32_t slot) {
    const auto all = peers.server.memory();
    return {all.data() + all.size() / 2 * slot, false};
}

/// The part for topics of a section of 32768 bytes, with the numbers of channel-layout.md.
struct area {
    std::size_t slots = 2;

    [[nodiscard]] std::size_t row(std::size_t slot) const {
        return 4096 + (slots - 1) * 2 * (256 + 1024) + slot * 128;
    }
    [[nodiscard]] std::size_t entry(std::size_t number) const { return row(slots) + number * 256; }
    [[nodiscard]] std::size_t room() const { return 32768 - entry(16); }
};

} // namespace test
