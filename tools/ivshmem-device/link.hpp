// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "shared_memory.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

namespace ivshmem_device {

/// A device that its peers can interrupt.
class peer {
  public:
    /// Receives a ring of this vector, which may be beyond those that the device has.
    virtual void interrupt(std::uint16_t vector) = 0;

  protected:
    ~peer() = default;
};

/// A place among peers. Its owner is rung until it destroys the place.
class membership {
  public:
    membership() = default;
    membership(const membership&) = delete;
    membership& operator=(const membership&) = delete;
    virtual ~membership() = default;

    /// Rings a vector of a peer, which may be the device itself. Ignored if there is none.
    virtual void ring(std::uint16_t target, std::uint16_t vector) = 0;
    /// Rings vector 0 of all others.
    virtual void notify_others() {}
};

/// VMs of this process that share one memory, and ring each other.
///
/// Must outlive its members.
class link {
  public:
    explicit link(shared_memory memory) : memory_{std::move(memory)} {}

    [[nodiscard]] const shared_memory& memory() const { return memory_; }
    [[nodiscard]] bool empty() const { return peers_.empty(); }
    /// Gives a device its place. No other member has this id.
    std::unique_ptr<membership> join(std::uint16_t id, peer& device);

  private:
    class member;

    shared_memory memory_;
    std::map<std::uint16_t, peer*> peers_;
};

} // namespace ivshmem_device
