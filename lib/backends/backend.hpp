// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <ivshmem/device.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ivshmem {

/// What an ivshmem-v2 device has in addition. All numbers were checked.
struct v2_facts {
    std::uint32_t max_peers = 0;
    std::uint16_t protocol = 0;
    /// The state table: an entry for each peer. Read-only.
    const volatile std::uint32_t* states = nullptr;
    std::span<const std::byte> outputs{}; ///< the output sections of all peers, by id; read-only
    std::span<std::byte> output{};        ///< that of this peer

    /// Reads the state of a peer, before all later loads. @pre peer < max_peers
    [[nodiscard]] std::uint32_t state_of(std::uint32_t peer) const noexcept;
    /// @pre peer < max_peers
    [[nodiscard]] std::span<const std::byte> output_of(std::uint32_t peer) const noexcept {
        return outputs.subspan(peer * output.size(), output.size());
    }
};

/// Facts that are fixed while a device is open.
struct backend_facts {
    backend_kind kind{};
    /// The device's name for messages: the PCI address or the socket's path.
    std::string name;
    std::string description;
    std::optional<device_info> info;
    device_capabilities capabilities;
    std::uint16_t id = 0;
    std::uint32_t vectors = 0;
    /// The mapped doorbell register; null if ring() must be called, or if there is no doorbell.
    volatile std::uint32_t* doorbell = nullptr;
    shared_memory memory;
    std::optional<v2_facts> v2; ///< of an ivshmem-v2 device
    /// The reason, with advice, why capabilities.interrupts is less than vectors, or than the
    /// device may have. Empty on a plain device.
    std::string no_interrupts;
};

/// A departure of a peer that this connection has seen.
struct departure {
    std::uint64_t number = 0; ///< counts all departures from 1 on; 0: there was none
    bool came_again = false;  ///< another peer has the id now
};

/// A way to access a device. A backend is created open and closes in its destructor, which accesses
/// only this process's own descriptors and mappings, so that a forked child may run it. facts()
/// describes it; facts().capabilities is what it can do.
class backend {
  public:
    backend() = default;
    backend(const backend&) = delete;
    backend& operator=(const backend&) = delete;
    virtual ~backend() = default;

    [[nodiscard]] const backend_facts& facts() const noexcept { return facts_; }

    /// Rings a peer if facts().doorbell is null and capabilities.ring is set. Any thread.
    virtual void ring(std::uint16_t peer, std::uint16_t vector, failure& f) = 0;

    /// Returns a descriptor that polls readable while rings of the vector wait to be taken.
    /// @pre vector < capabilities.interrupts
    [[nodiscard]] virtual int rings_fd(std::uint32_t vector) const = 0;
    /// Returns a descriptor that polls readable if a caller that waits for rings must call take()
    /// although there are none: the device goes away, or the server sent something. -1 if
    /// rings_fd() covers that.
    [[nodiscard]] virtual int attention_fd() const { return -1; }
    /// Begins to wait for rings of a vector. A device that several programs share delivers them
    /// more directly from then on. Called before rings_fd() is given to a caller. Any thread.
    /// @pre vector < capabilities.interrupts
    virtual void watch(std::uint32_t /*vector*/, failure& /*f*/) {}
    /// @pre vector < capabilities.interrupts
    virtual std::uint64_t take(std::uint32_t vector, failure& f) = 0;

    /// Lets the kernel signal this eventfd when the vector is rung, in place of rings_fd(); -1:
    /// that one again. @pre vector < capabilities.interrupts
    /// @return false, with f set or not, if it cannot: then nothing has changed.
    virtual bool direct(std::uint32_t /*vector*/, int /*eventfd*/, failure& /*f*/) { return false; }

    /// Returns -1 if the backend has no events.
    [[nodiscard]] virtual int event_fd() const { return -1; }
    /// @pre event_fd() is not -1
    virtual std::optional<event> next_event(failure& f) {
        f.set(errc::events_unsupported, "{}: {} reports no events", facts_.name,
              facts_.description);
        return std::nullopt;
    }
    /// @pre capabilities.peer_events, or facts().v2
    virtual std::vector<std::uint16_t> peers(failure& f) {
        f.set(errc::peers_unsupported,
              "{}: the device cannot report which peers are connected: agree on the ids, or "
              "exchange them through the memory",
              facts_.name);
        return {};
    }
    /// Whether this connection saw a peer with this id present, and then leave; false again once
    /// another one comes with it.
    [[nodiscard]] virtual bool has_left(std::uint16_t /*id*/) { return false; }
    /// How many departures of peers this connection has seen. Reads nothing. Any thread.
    [[nodiscard]] virtual std::uint64_t departures() const noexcept { return 0; }
    /// The last departure of a peer with this id. Reads nothing. Any thread.
    [[nodiscard]] virtual departure last_departure(std::uint16_t /*id*/) const { return {}; }
    /// Reads what waits to be read, for a caller that may never call take(). Any thread.
    virtual void attend() {}

    /// @name A device that several programs of this machine share
    /// @{
    /// Takes a slot among these programs; fails with errc::slot_in_use if another one has it.
    virtual void reserve_slot(std::uint32_t /*slot*/, failure& /*f*/) {}
    virtual void release_slot(std::uint32_t /*slot*/) noexcept {}
    /// Returns these programs, with this one.
    virtual std::vector<device_user> users(failure& /*f*/) { return {}; }
    /// @}

    /// @name Devices of ivshmem-v2
    /// @pre facts().v2
    /// @{
    [[nodiscard]] virtual std::uint32_t state(failure& /*f*/) const { return 0; }
    virtual void set_state(std::uint32_t /*value*/, failure& /*f*/) {}
    /// Makes attention_fd() readable after a change of a state, for a caller that waits for rings
    /// of another vector than 0. Any thread.
    virtual void watch_states() {}
    /// @}

  protected:
    backend_facts facts_;
};

} // namespace ivshmem
