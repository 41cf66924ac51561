// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/larger_memory.hpp"

#include "memory/aligned_copy.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace ivshmemctl {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint32_t magic = 0x43535649;

/// The first words of a header (channel-layout.md, "The header").
using header_words = std::array<std::uint32_t, 17>;

std::uint64_t pair_at(const header_words& words, std::size_t low) {
    return std::uint64_t{words.at(low + 1)} << 32U | words.at(low);
}

/// Returns the end of the region that a held header at `offset` names; 0 if there is no header.
std::uint64_t region_end(const header_words& words, std::uint64_t offset) {
    const auto version = words[1];
    const std::uint64_t slots = words[2];
    const std::uint64_t slot = words[5];
    const auto section = pair_at(words, 6);
    const auto begin = pair_at(words, 8);
    const auto size = pair_at(words, 10);
    const bool held = words[16] != 0;
    constexpr std::uint64_t most = std::uint64_t{1} << 62U; // of either, so that nothing overflows
    if (words[0] != magic || version >> 16U != 1 || (version & 0xffffU) == 0 || !held ||
        slot >= slots || slots > 256 || begin > most || size > most ||
        section != size / slots / page * page || begin + section * slot != offset)
        return 0;
    return begin + size;
}

} // namespace

std::optional<std::uint64_t> larger_memory(const ivshmem::shared_memory& memory) {
    for (std::uint64_t at = 0; at + page <= memory.size(); at += page) {
        header_words words{};
        const auto bytes = std::as_writable_bytes(std::span{words});
        copy_from(memory.mode(), memory.bytes().subspan(at, sizeof words[0]), bytes.data());
        if (words[0] != magic)
            continue;
        copy_from(memory.mode(), memory.bytes().subspan(at, bytes.size()), bytes.data());
        if (const auto end = region_end(words, at); end > memory.size())
            return end;
    }
    return std::nullopt;
}

} // namespace ivshmemctl
