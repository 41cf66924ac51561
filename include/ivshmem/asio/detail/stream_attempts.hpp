// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/channel_attempts.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <system_error>

/// The steps that a channel_operation of a stream repeats until they succeed.
namespace ivshmem::asio::detail {

template <typename Buffers>
struct read_attempt {
    using value_type = std::size_t;

    static auto& gate_of(auto& state) { return state.receiving; }
    bool attempt(auto& state, std::error_code& ec) {
        const std::size_t capacity = boost::asio::buffer_size(buffers);
        if (state.session != state.driver.session()) {
            state.session = state.driver.session();
            state.bytes_read = 0;
        }
        while (done < capacity) {
            const auto view = state.driver.peek_part(ec);
            if (!view)
                break;
            if (view->empty()) { // no stream sends these, and a peer could send them endlessly
                state.driver.reject(ivshmem::layout_violation::sequence);
                ec = errc::channel_poisoned;
                break;
            }
            // The front holds less than was read if other code received directly from the channel.
            state.bytes_read = std::min(state.bytes_read, view->size());
            const auto rest = view->subspan(state.bytes_read);
            const std::size_t size = std::min(rest.size(), capacity - done);
            const std::byte* from = rest.data();
            for_range(buffers, done, size, [&](const boost::asio::mutable_buffer& to) {
                std::memcpy(to.data(), from, to.size());
                from += to.size();
            });
            done += size;
            state.bytes_read += size;
            if (state.bytes_read == view->size()) {
                state.channel.consume();
                state.bytes_read = 0;
            }
        }
        if (done != 0 || capacity == 0) {
            ec.clear();
            state.driver.settle();
            return true;
        }
        if (ec == errc::channel_closed)
            ec = boost::system::error_code{boost::asio::error::eof};
        return false;
    }
    [[nodiscard]] value_type value() const { return done; }
    void give_up(auto&, bool) {}

    Buffers buffers;
    std::size_t done = 0;
};

template <typename Buffers>
struct write_attempt {
    using value_type = std::size_t;

    static auto& gate_of(auto& state) { return state.sending; }
    bool attempt(auto& state, std::error_code& ec) {
        const std::size_t size = boost::asio::buffer_size(buffers);
        // Small enough for the peer to read one part while the next is being written.
        std::size_t part = (state.channel.max_whole_message() + std::size_t{8}) / 4 - 8;
        if (state.channel.peer_max_message() != 0)
            part = std::min<std::size_t>(part, state.channel.peer_max_message());
        while (done < size) {
            const auto to = state.channel.reserve(std::min(part, size - done), ec);
            if (to.data() == nullptr)
                break;
            std::byte* at = to.data();
            for_range(buffers, done, to.size(), [&](const boost::asio::const_buffer& from) {
                std::memcpy(at, from.data(), from.size());
                at += from.size();
            });
            state.channel.commit(to.size());
            state.channel.flush();
            done += to.size();
        }
        state.sent();
        if (done != 0 || size == 0) {
            ec.clear();
            return true;
        }
        if (ec == errc::channel_closed)
            ec = boost::system::error_code{boost::asio::error::broken_pipe};
        return false;
    }
    [[nodiscard]] value_type value() const { return done; }
    void give_up(auto&, bool) {}

    Buffers buffers;
    std::size_t done = 0;
};

} // namespace ivshmem::asio::detail
