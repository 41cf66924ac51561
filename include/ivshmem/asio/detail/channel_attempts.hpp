// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/channel_event.hpp>
#include <ivshmem/asio/detail/channel_state.hpp>

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

/// The steps that a channel_operation repeats until they succeed.
namespace ivshmem::asio::detail {

/// Calls f(bytes of a buffer) for `size` bytes, starting at `offset`, of a sequence of buffers.
template <typename Buffers, typename F>
void for_range(const Buffers& buffers, std::size_t offset, std::size_t size, F&& f) {
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end && size != 0; ++at) {
        const auto buffer = *at + offset; // clamped to the end of the buffer
        offset -= std::min<std::size_t>(offset, (*at).size());
        const std::size_t here = std::min<std::size_t>(buffer.size(), size);
        if (here != 0)
            f(boost::asio::buffer(buffer, here));
        size -= here;
    }
}

template <typename Buffers>
struct send_attempt {
    using value_type = std::size_t;

    static auto& gate_of(auto& state) { return state.sending; }
    bool attempt(auto& state, std::error_code& ec) {
        const auto fill = [&](std::span<std::byte> into, std::size_t offset) {
            std::byte* to = into.data();
            for_range(buffers, offset, into.size(), [&](const boost::asio::const_buffer& from) {
                std::memcpy(to, from.data(), from.size());
                to += from.size();
            });
        };
        complete = state.driver.send_some(boost::asio::buffer_size(buffers), done, fill, ec);
        state.sent();
        return complete;
    }
    [[nodiscard]] value_type value() const { return complete ? done : 0; }
    void give_up(auto& state, bool) {
        if (done != 0)
            state.driver.abandon();
    }

    Buffers buffers;
    std::size_t done = 0;
    bool complete = false;
};

template <typename Buffers>
struct receive_attempt {
    using value_type = std::size_t;

    static auto& gate_of(auto& state) { return state.receiving; }
    bool attempt(auto& state, std::error_code& ec) {
        const auto copy = [&](std::size_t offset, std::span<const std::byte> part) {
            const std::byte* from = part.data();
            for_range(buffers, offset, part.size(), [&](const boost::asio::mutable_buffer& to) {
                std::memcpy(to.data(), from, to.size());
                from += to.size();
            });
        };
        complete = state.driver.receive_some(boost::asio::buffer_size(buffers), done, copy, ec);
        if (complete)
            state.driver.settle();
        return complete;
    }
    [[nodiscard]] value_type value() const { return complete ? done : 0; }
    void give_up(auto& state, bool buffers_are_valid) {
        if (done == 0)
            return;
        if (!buffers_are_valid)
            return state.driver.skip();
        try {
            std::vector<std::byte> part;
            for_range(buffers, 0, done, [&](const boost::asio::mutable_buffer& from) {
                const auto* const bytes = static_cast<const std::byte*>(from.data());
                part.insert(part.end(), bytes, bytes + from.size());
            });
            state.driver.keep(part);
        } catch (const std::bad_alloc&) {
            state.channel.close(); // its first parts are lost: the rest must not pass for a message
        }
    }

    Buffers buffers;
    std::size_t done = 0;
    bool complete = false;
};

/// Receives a message of any length, and allocates nothing for bytes that have not arrived.
struct whole_attempt {
    using value_type = std::size_t;

    static auto& gate_of(auto& state) { return state.receiving; }
    bool attempt(auto& state, std::error_code& ec) {
        const auto size = state.driver.gather(ec);
        if (!size)
            return false;
        into->resize(*size);
        done = state.channel.try_receive(*into, ec).value_or(0);
        state.driver.settle();
        return !ec;
    }
    [[nodiscard]] value_type value() const { return done; }
    void give_up(auto&, bool) {}

    std::vector<std::byte>* into;
    std::size_t done = 0;
};

/// Succeeds when a message can be received; fails with the reason if none will come.
struct readable_attempt {
    using value_type = std::size_t;

    static auto& gate_of(auto& state) { return state.receiving; }
    bool attempt(auto& state, std::error_code& ec) {
        const auto size = state.channel.next_size(ec);
        next = size.value_or(0);
        return size.has_value();
    }
    [[nodiscard]] value_type value() const { return next; }
    void give_up(auto&, bool) {}

    std::size_t next = 0;
};

struct drain_attempt {
    using value_type = void;

    static auto& gate_of(auto& state) { return state.draining; }
    bool attempt(auto& state, std::error_code& ec) { return state.channel.drained(ec); }
    void give_up(auto&, bool) {}
};

struct connect_attempt {
    using value_type = void;

    static auto& gate_of(auto& state) { return state.connecting; }
    bool attempt(auto& state, std::error_code& ec) {
        state.channel.update(ec);
        if (!ec)
            state.driver.state_error(ec);
        return state.channel.state() == ivshmem::channel_state::connected;
    }
    void give_up(auto&, bool) {}
};

struct event_attempt {
    using value_type = channel_event;

    static auto& gate_of(auto& state) { return state.changing; }
    bool attempt(auto& state, std::error_code& ec) {
        using core = ivshmem::channel_state;
        const core now = state.channel.update(ec);
        event.incarnation = state.channel.peer_incarnation();
        // After a session has ended, ignores whether the peer had finished.
        const bool connected = now == core::connected;
        if (ec || (now == state.reported_state &&
                   (!connected || state.channel.peer_finished() == state.reported_finished)))
            return false;
        const bool finished = connected && now == state.reported_state;
        state.reported_state = now;
        state.reported_finished = finished;
        switch (now) {
        case core::connected:
            event.type = finished ? channel_event::kind::closed : channel_event::kind::connected;
            return true;
        case core::reset:
            event.type = channel_event::kind::reset;
            return true;
        case core::poisoned:
            event.type = channel_event::kind::poisoned;
            return true;
        case core::rejected:
            event.type = channel_event::kind::rejected;
            return true;
        case core::lost:
            event.type = channel_event::kind::peer_lost;
            return true;
        default:
            return false; // opened again: not an event of the peer
        }
    }
    [[nodiscard]] value_type value() const { return event; }
    void give_up(auto&, bool) {}

    channel_event event;
};

} // namespace ivshmem::asio::detail
