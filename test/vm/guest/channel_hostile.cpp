// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel_peer.hpp"

#include <cstring>
#include <random>

namespace channel_peer {

namespace {

using clock = std::chrono::steady_clock;

} // namespace

void storm(ivshmem::device& dev, const words& args) {
    const std::uint32_t peer = number(args, 0, 0);
    const std::uint32_t vectors = number(args, 1, 1);
    const auto until = clock::now() + std::chrono::seconds{number(args, 2, 1)};
    unsigned long long rings = 0;
    say("storm");
    while (clock::now() < until)
        for (std::uint32_t i = 0; i < 1000; ++i, ++rings)
            dev.ring(peer, i % vectors);
    say("rang: %llu", rings);
}

void scribble(ivshmem::device& dev, const words& args) {
    const auto until = clock::now() + std::chrono::seconds{number(args, 0, 1)};
    auto* const memory = reinterpret_cast<volatile std::uint32_t*>(dev.memory().data());
    const std::size_t size = dev.memory().size() / sizeof(std::uint32_t);
    std::minstd_rand random{number(args, 1, 1)};
    // Numbers that have a meaning in the layout get further than others.
    const auto word = [&]() -> std::uint32_t {
        const auto bits = static_cast<std::uint32_t>(random() * 2654435761U);
        switch (random() % 8) {
        case 0:
            return 0;
        case 1:
            return 0x80000000U | (bits & 0x1ff8U);
        case 2:
            return bits & 0xffU;
        default:
            return bits;
        }
    };
    unsigned long long written = 0;
    say("scribbling");
    while (clock::now() < until)
        for (std::uint32_t i = 0; i < 1000; ++i, ++written)
            memory[(static_cast<std::size_t>(random()) * 31 + i) % size] = word();
    say("scribbled: %llu", written);
}

} // namespace channel_peer
