// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "packet_filter.hpp"

#include <algorithm>

namespace ivshmem_gateway {
namespace {

/// "Variable Byte Integer" of MQTT 5, 1.5.5: at most four bytes of seven bits.
constexpr unsigned longest_header = 5;
constexpr std::uint32_t continues = 0x80;

/// Whether a broker may send a packet of this type: CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL,
/// PUBCOMP, SUBACK, UNSUBACK, PINGRESP or DISCONNECT. libmosquitto aborts at types that it does not
/// know.
constexpr bool is_of_broker(std::uint32_t first_byte) {
    constexpr std::uint32_t types = 0b0110'1010'1111'1100;
    return (types >> (first_byte >> 4U) & 1U) != 0;
}

} // namespace

std::size_t packet_filter::take(std::span<const std::byte> bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes.size()) {
        if (next_ == part::body) {
            const auto passed =
                static_cast<std::uint32_t>(std::min<std::size_t>(length_, bytes.size() - at));
            at += passed;
            length_ -= passed;
            if (length_ == 0)
                next_ = part::type;
            continue;
        }
        const auto value = std::to_integer<std::uint32_t>(bytes[at]);
        if (next_ == part::type) {
            length_ = 0;
            header_ = 1;
            if (!is_of_broker(value))
                return at;
            next_ = part::length;
            ++at;
            continue;
        }
        length_ |= (value & ~continues) << (7U * (header_ - 1));
        ++header_;
        if ((value & continues) != 0) {
            if (header_ == longest_header) {
                length_ = 0;
                return at;
            }
        } else if (length_ + header_ > longest_) {
            return at;
        } else {
            next_ = length_ == 0 ? part::type : part::body;
        }
        ++at;
    }
    return at;
}

} // namespace ivshmem_gateway
