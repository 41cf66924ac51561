// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace channel_peer {

/// The beginning of a numbered message, which determines its other bytes.
struct message_head {
    std::uint32_t number = 0; ///< from 0 in each session
    std::uint32_t from = 0;   ///< the sender's incarnation
    std::uint32_t to = 0;     ///< the receiver's incarnation
    std::uint32_t last = 0;   ///< 1: the last one
};

/// Returns the length of a message: from very short to longer than the ring.
/// @param whole channel::max_whole_message().
[[nodiscard]] std::size_t message_size(std::uint32_t number, std::size_t whole);
/// Returns the length of the longest message.
[[nodiscard]] std::size_t largest_message(std::size_t whole);
/// Writes a message with the size for its number.
void make_message(const message_head& head, std::size_t whole, std::vector<std::byte>& into);
/// Checks a message against the expected head, except for `last`.
/// @return Whether it is the last one.
/// @throws std::runtime_error if it is wrong.
bool check_message(std::span<const std::byte> message, const message_head& wanted,
                   std::size_t whole);

} // namespace channel_peer
