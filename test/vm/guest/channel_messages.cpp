// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel_messages.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <string>

namespace channel_peer {

namespace {

std::byte body_byte(const message_head& head, std::size_t at) {
    const std::uint32_t seed = head.number * 31 + head.from * 7 + head.to;
    return static_cast<std::byte>(seed + at * 13 + at / 251);
}

[[noreturn]] void wrong(const char* what, const message_head& got, const message_head& wanted) {
    const auto in_words = [](const message_head& head) {
        return "number " + std::to_string(head.number) + " from " + std::to_string(head.from) +
               " to " + std::to_string(head.to);
    };
    throw std::runtime_error{std::string{what} + ": " + in_words(got) + ", not " +
                             in_words(wanted)};
}

} // namespace

std::size_t message_size(std::uint32_t number, std::size_t whole) {
    const std::array<std::size_t, 12> sizes{16,    17, 24,   333,       1000,           64,
                                            whole, 31, 2000, whole + 1, 16 + 5 * whole, 100};
    return std::max(sizeof(message_head), sizes[number % sizes.size()]);
}

std::size_t largest_message(std::size_t whole) {
    return 16 + 5 * whole;
}

void make_message(const message_head& head, std::size_t whole, std::vector<std::byte>& into) {
    into.resize(message_size(head.number, whole));
    std::memcpy(into.data(), &head, sizeof head);
    for (std::size_t i = sizeof head; i < into.size(); ++i)
        into[i] = body_byte(head, i);
}

bool check_message(std::span<const std::byte> message, const message_head& wanted,
                   std::size_t whole) {
    message_head head;
    if (message.size() < sizeof head)
        throw std::runtime_error{"a message of " + std::to_string(message.size()) + " bytes"};
    std::memcpy(&head, message.data(), sizeof head);
    if (head.number != wanted.number || head.from != wanted.from || head.to != wanted.to)
        wrong("a message of another place", head, wanted);
    if (message.size() != message_size(head.number, whole))
        wrong("a message of another size", head, wanted);
    for (std::size_t i = sizeof head; i < message.size(); ++i)
        if (message[i] != body_byte(head, i))
            wrong("a message with other bytes", head, wanted);
    return head.last != 0;
}

} // namespace channel_peer
