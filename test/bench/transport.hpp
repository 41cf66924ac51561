// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>

/// The interface between bench-transports and a way to carry messages between two processes.
namespace bench {

/// One way, as fast as they go; or there and back, one at a time.
enum class measured { throughput, roundtrip };

/// How a side waits for a message, or for room to send one.
enum class waiting { spin, sleep };

/// The measurement that a transport is constructed for.
struct request {
    measured what;
    waiting wait;
    std::size_t size; ///< of every message, in bytes; at least 8
};

/// The two processes. `first` is the parent: it measures. In a measurement of the throughput
/// `second` sends and `first` receives; in one of the round trip `first` begins.
enum class side { first, second };

/// Thrown by a transport's constructor that does not support the request: a skip, no failure.
struct unsupported : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// An end that can be polled. try_send() sends the message or returns false; it is called again
/// with the same message then, so that a part of it may have gone already. try_receive() fills
/// the whole span with one message or returns false, and may have filled a part.
template <class End>
concept spins = requires(End& end, std::span<const std::byte> message, std::span<std::byte> room) {
    { end.try_send(message) } -> std::same_as<bool>;
    { end.try_receive(room) } -> std::same_as<bool>;
};

/// An end that can wait in the kernel.
template <class End>
concept sleeps = requires(End& end, std::span<const std::byte> message, std::span<std::byte> room) {
    end.send(message);
    end.receive(room);
};

/// A transport is constructed before the fork and owns the objects that both sides share; it must
/// not start threads. Each side then makes its `end` in its own process, `first` before `second`.
/// All messages have the size of the request, and their first 8 bytes differ from those of the
/// message before.
template <class T>
concept transport = std::constructible_from<T, const request&> &&
    std::constructible_from<typename T::end, T&, side> &&
    (spins<typename T::end> || sleeps<typename T::end>)&&requires {
    { T::name } -> std::convertible_to<std::string_view>;
};

/// The bytes that every transport with a ring or a queue gives each direction, approximately.
inline constexpr std::size_t ring_bytes = std::size_t{512} << 10U;

/// The number of messages of a size that fit into them, but at least four.
constexpr std::size_t ring_messages(std::size_t size) {
    return ring_bytes / size < 4 ? 4 : ring_bytes / size;
}

/// The result of a system call which must not fail.
template <class T>
T must(T result, const char* what) {
    if (result < 0)
        throw std::system_error{errno, std::system_category(), what};
    return result;
}

/// Returns false if a call on a non-blocking descriptor must be tried again later.
template <class T>
bool done_now(T result, const char* what) {
    if (result < 0 && errno == EAGAIN)
        return false;
    must(result, what);
    return true;
}

} // namespace bench
