// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "helpers/catch.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

namespace test {

namespace net = boost::asio;
using boost::system::error_code;

/// Completes with the results of an operation, its error first.
inline constexpr auto result = net::as_tuple(net::use_awaitable);

/// The value before a result: default-constructed, or a closed object.
template <typename Value>
Value no_result() {
    if constexpr (std::is_default_constructible_v<Value>)
        return Value{};
    else
        return Value{net::any_io_executor{}};
}

/// The result of one operation.
template <typename Value>
struct completion_of {
    /// A handler; this object must stay where it is. A result of another type is ignored.
    auto handler() {
        return [this](error_code e, auto... v) {
            ec = e;
            ++calls;
            if constexpr (sizeof...(v) == 1 && (std::is_same_v<decltype(v), Value> && ...))
                value = (std::move(v), ...);
        };
    }
    [[nodiscard]] bool done() const { return calls != 0; }

    error_code ec;
    Value value = no_result<Value>();
    int calls = 0;
};
using completion = completion_of<std::size_t>;

/// Runs an event loop until a condition holds, or a time limit expires.
template <typename Condition>
bool run_until(net::io_context& io, Condition&& condition) {
    io.restart();
    while (!condition())
        if (io.run_one_for(std::chrono::seconds{20}) == 0)
            return false;
    return true;
}

/// Runs coroutines concurrently until all have ended. An exception fails the test.
template <typename... Bodies>
void run_all(net::io_context& io, Bodies... bodies) {
    std::size_t running = sizeof...(bodies);
    std::exception_ptr failed;
    const auto ended = [&](const std::exception_ptr& e) {
        --running;
        if (e)
            failed = e;
    };
    (net::co_spawn(io, std::move(bodies), ended), ...);
    const bool all = run_until(io, [&] { return running == 0 || failed; });
    if (failed)
        std::rethrow_exception(failed);
    REQUIRE(all);
}

/// Bytes that differ for each place and each seed.
inline std::string pattern(std::size_t size, std::uint32_t seed = 1) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) {
        seed = seed * 1664525 + 1013904223;
        byte = static_cast<char>(seed >> 24);
    }
    return bytes;
}

} // namespace test
