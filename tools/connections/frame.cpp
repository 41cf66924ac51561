// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/frame.hpp"

#include <array>

namespace connections {
namespace {

constexpr std::uint32_t magic = 0x58435649; // the bytes IVCX

std::uint32_t word_at(std::span<const std::byte> message, std::size_t offset) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 4; ++i)
        word |= std::to_integer<std::uint32_t>(message[offset + i]) << (8 * i);
    return word;
}

class writer {
  public:
    explicit writer(std::span<std::byte> into) : into_{into} {}

    void put(std::uint32_t word) {
        for (std::size_t i = 0; i < 4; ++i)
            into_[size_++] = static_cast<std::byte>(word >> (8 * i));
    }
    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    std::span<std::byte> into_;
    std::size_t size_ = 0;
};

bool is_valid(const limits& promised) {
    return promised.connections <= most_connections && promised.window >= 1 &&
           promised.window <= largest_window && promised.longest >= 1;
}

/// The size that a frame of the type has; HELLO may be longer, and DATA is.
std::optional<std::size_t> size_of(frame_type type) {
    switch (type) {
    case frame_type::hello:
        return control_frame;
    case frame_type::open:
    case frame_type::accept:
    case frame_type::finish:
    case frame_type::ping:
    case frame_type::pong:
        return frame_head;
    case frame_type::data:
        return frame_head + 1;
    case frame_type::window:
    case frame_type::reset:
    case frame_type::bye:
        return frame_head + 4;
    }
    return std::nullopt;
}

bool names_connection(frame_type type) {
    return type != frame_type::hello && type != frame_type::ping && type != frame_type::pong &&
           type != frame_type::bye;
}

} // namespace

std::string reason_text(reason why) {
    switch (why) {
    case reason::none:
        return "closed";
    case reason::unreachable:
        return "the program that serves cannot be reached";
    case reason::not_allowed:
        return "this slot is not on the list";
    case reason::too_many:
        return "the limit of connections is reached";
    case reason::broken:
        return "the program at the other end broke the connection";
    case reason::stopped:
        return "the other side ends";
    case reason::fault:
        return "a rule of the protocol was broken";
    case reason::version:
        return "another version of the protocol";
    case reason::replaced:
        return "the peer has connected again";
    case reason::lost:
        return "the peer is gone";
    }
    return "reason " + std::to_string(static_cast<std::uint32_t>(why));
}

std::optional<frame> decode(std::span<const std::byte> message) {
    if (message.size() < frame_head)
        return std::nullopt;
    frame f{.type = static_cast<frame_type>(word_at(message, 0)),
            .connection = word_at(message, 4)};
    const auto size = size_of(f.type);
    if (!size || message.size() < *size || (f.connection != 0) != names_connection(f.type))
        return std::nullopt;
    if (f.type == frame_type::data) {
        f.bytes = message.subspan(frame_head);
        return f;
    }
    if (f.type == frame_type::hello) {
        f.value = word_at(message, frame_head + 4);
        f.promised = {.connections = word_at(message, frame_head + 8),
                      .window = word_at(message, frame_head + 12),
                      .longest = word_at(message, frame_head + 16)};
        const bool good =
            word_at(message, frame_head) == magic && f.value != 0 && is_valid(f.promised);
        return good ? std::optional{f} : std::nullopt;
    }
    if (message.size() != *size)
        return std::nullopt;
    if (*size > frame_head)
        f.value = word_at(message, frame_head);
    return f;
}

std::size_t encode(const frame& f, std::span<std::byte> into) {
    writer to{into};
    to.put(static_cast<std::uint32_t>(f.type));
    to.put(f.connection);
    if (f.type == frame_type::hello) {
        to.put(magic);
        to.put(f.value);
        to.put(f.promised.connections);
        to.put(f.promised.window);
        to.put(f.promised.longest);
    } else if (size_of(f.type) == frame_head + 4) {
        to.put(f.value);
    }
    return to.size();
}

} // namespace connections
