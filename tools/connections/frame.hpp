// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

/// Many connections of byte streams over one channel: connections.md describes the protocol.
namespace connections {

inline constexpr std::uint32_t protocol_version = 1;
/// Bytes of a frame before its data.
inline constexpr std::size_t frame_head = 8;
/// Bytes of the longest frame of version 1 that carries no data.
inline constexpr std::size_t control_frame = frame_head + 20;

enum class frame_type : std::uint32_t {
    hello = 1,
    open,
    accept,
    data,
    window,
    finish,
    reset,
    ping,
    pong,
    bye,
};

/// The reason of a reset, or of the end of all connections.
enum class reason : std::uint32_t {
    none = 0,
    unreachable, ///< the program that serves cannot be reached
    not_allowed, ///< the peer is not on the list
    too_many,    ///< the limit of connections is reached
    broken,      ///< the program at that end closed its socket with an error
    stopped,     ///< the forwarder ends
    fault,       ///< the other side broke a rule
    version,     ///< the other side's version is not known
    replaced,    ///< the peer has connected again
    lost,        ///< never sent: the peer does not answer, or its channel ended
};

/// Returns the text of a reason, which may come from a peer: "the limit of connections is reached".
[[nodiscard]] std::string reason_text(reason why);

/// The promises of a side, in its HELLO.
struct limits {
    std::uint32_t connections = 1024; ///< the most at once that it accepts; 0 from a client
    std::uint32_t window = 65536;     ///< bytes that it takes of each connection before a WINDOW
    std::uint32_t longest = 65536;    ///< bytes of the longest DATA that it takes

    bool operator==(const limits&) const = default;
};
inline constexpr std::uint32_t most_connections = 65536;
inline constexpr std::uint32_t largest_window = 1U << 24U;

/// A message of the channel.
struct frame {
    frame_type type{};
    std::uint32_t connection = 0;       ///< 0 in those about all connections
    std::uint32_t value = 0;            ///< version, bytes of WINDOW, or a reason
    limits promised{};                  ///< of HELLO
    std::span<const std::byte> bytes{}; ///< of DATA
};

/// Returns the frame in a message; nothing if it is none. The message may change meanwhile: each
/// byte of the head is read once, and the bytes of DATA are not read.
[[nodiscard]] std::optional<frame> decode(std::span<const std::byte> message);
/// Writes a frame; of DATA its head only.
/// @param into At least control_frame bytes.
/// @return The size of the message; of DATA that of the head.
std::size_t encode(const frame& f, std::span<std::byte> into);

} // namespace connections
