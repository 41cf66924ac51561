// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "connections/with_error.hpp"
#include "outward.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ivshmem_gateway {

/// The topics are listed no more often, however often peers ring; and the reader of one name finds
/// a next topic no more often.
inline constexpr std::chrono::milliseconds between_looks{20};

/// A topic, or a name, that is read.
struct outward::source {
    std::string name;
    const rule* by = nullptr;
    /// The slot in which it was found. Empty: the rule names it, and its next writer is waited for.
    std::optional<std::uint32_t> found_in{};
    ivshmem::asio::topic_reader reader;
    boost::asio::steady_timer pause;
    std::chrono::steady_clock::time_point reopened{};
    std::vector<std::byte> bytes{};
    ivshmem::topic_message message{};
    std::optional<std::uint32_t> session{};
    std::optional<std::uint32_t> slot{}; ///< whose limit of topics counts it
    mapping to{};
    bool has_no_place = false; ///< its slot has as many topics as it may have

    [[nodiscard]] bool is_refused() const { return session && !to; }
    boost::asio::awaitable<void> wait_until(std::chrono::steady_clock::time_point time) {
        pause.expires_at(time);
        co_await pause.async_wait(connections::with_error);
    }
};

} // namespace ivshmem_gateway
