// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace channel_peer {

/// What a numbered message begins with; the rest of its bytes follows from it.
struct message_head {
    std::uint32_t number = 0; ///< from 0 in each session
    std::uint32_t from = 0;   ///< the incarnation of who made it
    std::uint32_t to = 0;     ///< and of the peer that it was made for
    std::uint32_t last = 0;   ///< 1: the last one
};

/// The length of a message: very short ones to some that are longer than the ring.
/// @param whole channel::max_whole_message().
[[nodiscard]] std::size_t message_size(std::uint32_t number, std::size_t whole);
/// The longest of them.
[[nodiscard]] std::size_t largest_message(std::size_t whole);
/// Writes a message of the size that its number means.
void make_message(const message_head& head, std::size_t whole, std::vector<std::byte>& into);
/// Checks a message against the head that it should have, but for `last`.
/// @return Whether it is the last. @throws std::runtime_error: how it is wrong.
bool check_message(std::span<const std::byte> message, const message_head& wanted,
                   std::size_t whole);

} // namespace channel_peer
