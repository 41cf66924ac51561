// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ivshmem {

/// The protocol between ivshmem-share and the programs that share its device: over a SOCK_SEQPACKET
/// UNIX socket, in packets of one size, in the byte order of the machine on which both run.
///
/// A program sends `join`. The service answers with `welcome`, with the memory and, if it can be
/// mapped, the page of the registers; then `vectors`, until the program has an eventfd for each
/// vector. Or it answers with `refused` and closes the connection. Afterwards each request
/// is answered, in their order, and `event` comes at any time.
namespace share_protocol {

inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t most_vectors = 2048; ///< PCI 3.0, 6.8.2.3
/// The most descriptors in one packet.
inline constexpr std::size_t most_fds = 64;

enum class packet_kind : std::uint32_t {
    // from a program
    join = 1,      ///< value: the version
    watch = 2,     ///< value: a vector whose interrupts the program waits for from now on
    ring = 3,      ///< value: peer << 16 | vector; if the registers are not mapped
    take_slot = 4, ///< value: a slot; answered with `slot`
    give_slot = 5, ///< value: a slot; answered with `given`
    list = 6,      ///< answered with `program`, once for each, and `end`
    // from the service
    welcome = 64, ///< facts
    vectors = 65, ///< value: the first vector; an eventfd for each
    refused = 66, ///< value and other: the error code; text: the message. The connection ends
    event = 67,   ///< value: event::kind; other: the peer
    slot = 68,    ///< value: the slot; other: 1 if it was given; text: else its holder
    program = 69, ///< value: the process id; other: the user id; text: the name and its vectors
    end = 70,
    given = 71, ///< value: a slot that this program no longer holds
};

/// Flags of `facts`.
enum flag : std::uint32_t {
    can_ring = 1,        ///< the device has a doorbell
    has_registers = 2,   ///< the second descriptor maps their page
    reports_removal = 4, ///< the device reports a removal before it happens
    is_v2 = 8            ///< the device is of ivshmem-v2: the first descriptor maps all sections
};

/// The facts about the device. Texts end with a zero.
struct facts {
    std::uint32_t id = 0;
    std::uint32_t vectors = 0;    ///< of the device
    std::uint32_t interrupts = 0; ///< lower vectors can be waited for
    std::uint32_t flags = 0;
    std::uint32_t cache = 0;           ///< cache_mode
    std::uint32_t register_offset = 0; ///< of BAR0 in its page
    std::uint64_t memory = 0;          ///< bytes
    std::uint64_t read_write = 0;      ///< of ivshmem-v2: the bytes of the sections
    std::uint64_t output = 0;
    std::uint32_t state_table = 0;
    std::uint32_t v2_protocol = 0;
    std::array<char, 128> name{};   ///< the PCI address, or the path of the server's socket
    std::array<char, 128> source{}; ///< how the service has opened the device
    std::array<char, 512> reason{}; ///< for the cache mode
    std::array<char, 512> no_interrupts{};
};

struct packet {
    packet_kind what{};
    std::uint32_t value = 0;
    std::uint32_t other = 0;
    std::uint32_t reserved = 0;
    facts device{};               ///< of `welcome`
    std::array<char, 512> text{}; ///< ends with a zero
};

/// Copies text into an array, cut to its size, and ends it with a zero.
void put_text(std::span<char> into, std::string_view text) noexcept;
/// Reads text that may lack its zero.
[[nodiscard]] std::string get_text(std::span<const char> from);

/// Sends a packet with up to most_fds descriptors. Never blocks, never raises SIGPIPE.
/// @return false with errno set.
bool send(int socket, const packet& p, std::span<const int> fds = {}) noexcept;

struct received {
    packet content;
    std::vector<unique_fd> fds;
};

/// The result of receiving.
enum class arrival {
    packet,
    none,      ///< EAGAIN
    closed,    ///< the other end closed the connection
    malformed, ///< no packet of this protocol, or a descriptor was lost
    failed,    ///< see errno
};

/// Receives a packet and its descriptors. Never blocks.
arrival receive(int socket, received& into);
/// As that; the kernel closes all descriptors that come with it.
arrival receive_bare(int socket, packet& into) noexcept;

} // namespace share_protocol
} // namespace ivshmem
