// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/other_protocol.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace ivshmem {

namespace {

/// The begin of a text protocol, and the name of its server.
struct text_protocol {
    std::string_view begin;
    const char* name;
};
constexpr std::array text_protocols{
    text_protocol{"{\"QMP\"", "a QMP monitor of QEMU"},
    text_protocol{"{", "a server that speaks JSON"},
    text_protocol{"HTTP/", "an HTTP server"},
    text_protocol{"SSH-", "an SSH server"},
    text_protocol{"QEMU ", "a human monitor of QEMU"},
    text_protocol{"", "a server of a text protocol"},
};

bool is_text(std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](char c) {
        return (c >= ' ' && c <= '~') || c == '\r' || c == '\n' || c == '\t';
    });
}

/// Returns the bytes of a message with control characters as blanks.
std::string printable(std::string bytes) {
    std::replace_if(
        bytes.begin(), bytes.end(), [](char c) { return c < ' '; }, ' ');
    return bytes;
}

} // namespace

std::string other_protocol(const server_protocol::message& first,
                           const std::optional<server_protocol::message>& second) {
    const auto number = static_cast<std::uint64_t>(first.value);
    std::string bytes;
    for (std::size_t i = 0; i < server_protocol::message_size; ++i)
        bytes += static_cast<char>(number >> (8 * i));
    if (is_text(bytes)) {
        const auto known =
            std::find_if(text_protocols.begin(), text_protocols.end(),
                         [&](const text_protocol& p) { return bytes.starts_with(p.begin); });
        return formatted("it sent the text \"{}\", as {} does", printable(bytes), known->name);
    }
    if (first.fd)
        return formatted("it sent the version {} with a descriptor", first.value);
    // The first message of ivshmem2: type 0 (INIT), and its length.
    constexpr std::uint64_t longest = 4096;
    if ((number & UINT32_MAX) == 0 && number >> 32 >= 8 && number >> 32 <= longest)
        return "it speaks the protocol of ivshmem2 (QEMU's patches for ivshmem-v2)";
    if (second && second->value == server_protocol::shared_memory && second->fd)
        return "it sends no version, as servers before QEMU 2.5 do; use ivshmem-server";
    return formatted("it speaks version {}", first.value);
}

} // namespace ivshmem
