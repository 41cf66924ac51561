// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c_peer.hpp"
#include "channel/fixture.hpp"
#include "helpers/deadline.hpp"

#include <memory>
#include <string>

namespace test {

/// A slot of the library, 0, and one of a peer in C, 1, over one memory.
struct two_kinds {
    explicit two_kinds(const ivshmem::region_geometry& g = two_slots, std::size_t region = 65536)
        : server{region}, device{server.join(1)}, slot{claim(device, 0, g)}, c{server.memory(), 1} {
        REQUIRE(c.claim() == IVSHMEM_PEER_OK);
        REQUIRE(c.holds());
    }
    /// The words of the block of a slot for the other one of two, lane 0.
    [[nodiscard]] ivshmem::shared_words block(std::uint32_t owner) const {
        return {server.memory().data() + server.memory().size() / 2 * owner + layout::header::size,
                false};
    }
    [[nodiscard]] ivshmem::shared_words header(std::uint32_t owner) const {
        return {server.memory().data() + server.memory().size() / 2 * owner, false};
    }

    meeting server;
    ivshmem::device device;
    ivshmem::slot slot;
    c_peer c;
};

/// Lets both sides look until nothing changes any more.
inline void meet(channel& x, c_peer& c) {
    std::error_code ec;
    for (int i = 0; i < 4; ++i) {
        if (x.is_open())
            x.update(ec);
        c.poll();
    }
}

/// Both ends of lane 0: x of the library, y in C.
struct two_ends {
    explicit two_ends(two_kinds& between, std::uint32_t limit = 65536)
        : x{channel::open(between.slot, 1, 0, {.max_message = limit})} {
        REQUIRE(ivshmem_peer_open(&between.c.peer, &y, 0, 0, limit) == IVSHMEM_PEER_OK);
        meet(x, between.c);
        REQUIRE(x.state() == ivshmem::channel_state::connected);
        REQUIRE(y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
    }

    channel x;
    ivshmem_peer_channel y{};
};

inline ivshmem_peer_result send(ivshmem_peer_channel& to, std::string_view text) {
    return ivshmem_peer_send(&to, text.data(), static_cast<std::uint32_t>(text.size()));
}

/// The next message, or the reason that there is none.
struct received {
    ivshmem_peer_result result;
    std::string text;
};
inline received receive(ivshmem_peer_channel& from, std::uint32_t capacity = 65536) {
    static std::string into(65536, '\0');
    std::uint32_t size = 0;
    const auto result = ivshmem_peer_receive(&from, into.data(), capacity, &size);
    return {result, result == IVSHMEM_PEER_OK ? into.substr(0, size) : ""};
}

/// A text in which a byte that is lost or moved shows.
inline std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>(i * 7 + i / 251);
    return text;
}

/// The words of the memory from an offset on.
inline ivshmem::shared_words at(const meeting& of, std::size_t offset) {
    return {of.memory().data() + offset, false};
}

} // namespace test
