// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/topics_fixture.hpp"
#include "fixture.hpp"
#include "ivshmem_peer_topics.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// A writer of the peer in C, with its memory.
struct c_writer {
    explicit c_writer(c_peer& of, std::uint32_t words = 18) : peer{&of.peer}, memory(words) {}
    c_writer(const c_writer&) = delete;
    c_writer& operator=(const c_writer&) = delete;

    ivshmem_peer_result create(const char* name, std::uint32_t size = 0) {
        return ivshmem_peer_topic_create(peer, &w, name, size, memory.data(),
                                         static_cast<std::uint32_t>(memory.size()));
    }
    ivshmem_peer_result send(std::string_view text, std::uint64_t time = 0) {
        return ivshmem_peer_topic_send(&w, text.data(), static_cast<std::uint32_t>(text.size()),
                                       time);
    }

    ivshmem_peer* peer;
    std::vector<std::uint32_t> memory;
    ivshmem_peer_topic_writer w{};
};

/// A reader of the peer in C, with the buffer that it reads into.
struct c_reader {
    c_reader() = default;
    c_reader(c_peer& of, const char* name, std::uint32_t history = 0) {
        REQUIRE(open(of, name, history) == IVSHMEM_PEER_OK);
    }
    c_reader(const c_reader&) = delete;
    c_reader& operator=(const c_reader&) = delete;

    ivshmem_peer_result open(c_peer& of, const char* name, std::uint32_t history = 0) {
        return ivshmem_peer_topic_open(&of.peer, &r, name, history, known.data(),
                                       static_cast<std::uint32_t>(known.size()));
    }
    ivshmem_peer_result read(bool latest = false) {
        text.resize(capacity);
        const auto got = latest ? ivshmem_peer_topic_read_latest(&r, text.data(), capacity, &m)
                                : ivshmem_peer_topic_read(&r, text.data(), capacity, &m);
        if (got == IVSHMEM_PEER_OK)
            text.resize(m.length);
        return got;
    }
    std::optional<std::string> next() {
        return read() == IVSHMEM_PEER_OK ? std::optional{text} : std::nullopt;
    }
    std::optional<std::string> newest() {
        return read(true) == IVSHMEM_PEER_OK ? std::optional{text} : std::nullopt;
    }

    std::uint32_t capacity = 4096;
    std::vector<std::uint32_t> known = std::vector<std::uint32_t>(4);
    ivshmem_peer_topic_reader r{};
    ivshmem_peer_topic_message m{};
    std::string text;
};

/// The part for topics of a section of 32768 bytes, with the numbers of channel-layout.md.
struct part_for_topics {
    part_for_topics(const two_kinds& peers, std::uint32_t slot) : section{peers.header(slot)} {}

    [[nodiscard]] std::size_t row(std::size_t slot) const {
        return 4096 + std::size_t{2} * (256 + 1024) + slot * 128;
    }
    [[nodiscard]] std::size_t entry(std::size_t number) const { return row(2) + number * 256; }
    [[nodiscard]] std::size_t index_of(std::size_t number) const {
        return std::size_t{section.load(entry(number) + layout::topic::index)} * 64;
    }

    ivshmem::shared_words section;
};

} // namespace test
