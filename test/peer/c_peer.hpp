// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "ivshmem_peer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace test {

/// A peer in C over some memory, with a clock that only moves if a test moves it.
class c_peer {
  public:
    using change = void (*)(ivshmem_peer_config&);

    explicit c_peer(std::span<std::byte> memory, std::uint32_t slot, std::uint16_t id = 50) {
        config.memory = memory.data();
        config.memory_size = memory.size();
        config.id = id;
        config.slot = slot;
        config.context = this;
        config.hooks.ring = [](void* self, std::uint16_t peer, std::uint16_t vector) {
            static_cast<c_peer*>(self)->rings.emplace_back(peer, vector);
        };
        config.hooks.now = [](void* self) {
            return static_cast<c_peer*>(self)->time;
        };
        config.hooks.random = [](void* self) {
            return static_cast<std::uint32_t>(static_cast<c_peer*>(self)->random_());
        };
        random_.seed(id);
    }
    c_peer(const c_peer&) = delete;
    c_peer& operator=(const c_peer&) = delete;

    c_peer& with(std::uint32_t slots, std::uint32_t lanes, std::uint32_t ring_size) {
        config.slots = slots;
        config.lanes = lanes;
        config.ring_size = ring_size;
        return *this;
    }
    /// Begins to claim. @return Why it cannot.
    ivshmem_peer_result begin() { return ivshmem_peer_begin(&peer, &config); }
    /// Lets the time pass that the peer wants to wait, and polls.
    void step() {
        time += std::max<std::uint32_t>(1, wait_);
        wait_ = ivshmem_peer_poll(&peer);
    }
    /// Claims to the end. @param meanwhile Called between the steps.
    template <typename Meanwhile>
    ivshmem_peer_result claim(Meanwhile meanwhile) {
        begin();
        wait_ = ivshmem_peer_poll(&peer);
        while (peer.phase == IVSHMEM_PEER_CLAIMING) {
            meanwhile();
            step();
        }
        return peer.why;
    }
    ivshmem_peer_result claim() {
        return claim([] {});
    }
    void poll() { ivshmem_peer_poll(&peer); }
    [[nodiscard]] bool holds() const { return peer.phase == IVSHMEM_PEER_HELD; }

    ivshmem_peer peer{};
    ivshmem_peer_config config{};
    std::uint32_t time = 1000;
    std::vector<std::pair<std::uint16_t, std::uint16_t>> rings;

  private:
    std::uint32_t wait_ = 0;
    std::mt19937 random_;
};

} // namespace test
