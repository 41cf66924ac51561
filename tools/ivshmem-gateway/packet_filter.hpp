// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ivshmem_gateway {

/// Follows the packets of MQTT in a stream of bytes, and finds one that is too long by its header,
/// before anything takes memory for it, or whose type a broker must not send.
///
/// libmosquitto allocates what the header of a packet announces, up to 256 MiB, and keeps several.
class packet_filter {
  public:
    /// @param longest Packet, with its header, in bytes.
    explicit packet_filter(std::uint32_t longest) noexcept : longest_{longest} {}

    /// Takes the next bytes of the stream, however it is cut.
    /// @return How many of them may be passed on: fewer than all if the header of a packet that is
    /// too long, or malformed, begins or ends there. The stream must be ended then.
    [[nodiscard]] std::size_t take(std::span<const std::byte> bytes) noexcept;

    /// The length that a packet that was not passed on announces, without its header; 0 if its
    /// header is malformed, or it has a wrong type.
    [[nodiscard]] std::uint32_t announced() const noexcept { return length_; }

  private:
    enum class part { type, length, body };

    std::uint32_t longest_;
    part next_ = part::type;
    std::uint32_t length_ = 0; ///< announced so far; in the body: the bytes that are missing
    unsigned header_ = 0;      ///< the bytes of the header so far
};

} // namespace ivshmem_gateway
