// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "backends/v2_registers.hpp"
#include "backends/v2_sections.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <sys/types.h>

namespace ivshmem {

/// An ivshmem-v2 device, by whatever driver: its registers, its states, and vector 0, which means
/// both that a peer has rung it and that the state of a peer has changed.
///
/// The interrupt of vector 0 has one descriptor, and two kinds of callers: those that take rings
/// and those that take events. Each reads the descriptor for both, and passes on to the other kind
/// what it has read.
class v2_backend : public backend {
  public:
    void ring(std::uint16_t peer, std::uint16_t vector, failure& f) override;
    [[nodiscard]] int rings_fd(std::uint32_t vector) const override;
    [[nodiscard]] int attention_fd() const override { return attention_.get(); }
    std::uint64_t take(std::uint32_t vector, failure& f) override;
    [[nodiscard]] int event_fd() const override;
    std::optional<event> next_event(failure& f) override;
    std::vector<std::uint16_t> peers(failure& f) override;
    /// Counts interrupts that may have been changes of states.
    [[nodiscard]] std::uint64_t departures() const noexcept override { return changes_; }
    [[nodiscard]] std::uint32_t state(failure& f) const override {
        check_presence(f);
        return f ? 0 : registers_.read(v2_registers::state);
    }
    void set_state(std::uint32_t value, failure& f) override;
    void watch_states() override { states_watched_ = true; }

  protected:
    /// The owner of the device's state, which also switches its interrupts on and off.
    enum class use {
        alone, ///< this object
        shared ///< one program of several, which ivshmem-share knows
    };

    v2_backend(backend_kind kind, const device_info& info, use how = use::alone);
    /// @param known What is known of a device that is shared.
    explicit v2_backend(backend_facts known);

    /// Maps no register itself: takes them and reads the facts. A device that is not shared is made
    /// silent.
    void take_registers(const v2_registers& registers, failure& f);
    /// Makes the device silent, which a process that was killed may have left in use.
    void silence(failure& f);
    /// Describes the sections. @param part open_options::part
    void take_sections(const v2_sections& sections, const std::optional<memory_region>& part,
                       cache_mode mode, std::string reason, failure& f);
    /// Enables the interrupts, as the last step of opening; from then on the states are watched, if
    /// they are mapped.
    /// @param vectors A descriptor for each vector that can be waited for; drain() reads the first.
    /// @param attention A descriptor that concerns all that wait; -1: none.
    /// @param events Further descriptors that poll readable if next_other_event() has an event.
    void start(std::vector<int> vectors, int attention, std::span<const int> events, failure& f);
    /// Leaves the peers, as the first step of closing; again it does nothing. A device that is
    /// shared stays as it is.
    void leave() noexcept;
    /// Clears the state, unless this is a child of the process that opened the device.
    void withdraw() noexcept;

    /// Reads the interrupts that wait on vector 0, so that later ones arrive. @return Their number.
    virtual std::uint64_t drain(failure& f) = 0;
    /// Returns an event that is no change of a state.
    virtual std::optional<event> next_other_event(failure& /*f*/) { return std::nullopt; }
    /// Fails if the device goes away.
    virtual void check_removal(failure& /*f*/) const {}

    v2_registers registers_;

  private:
    enum class reader { rings, events };

    /// Fails if the device does not answer.
    void check_presence(failure& f) const;
    /// Reads the interrupts of vector 0 for both kinds of callers.
    std::uint64_t drain_for(reader who, failure& f);
    void pass_on_rings(std::uint64_t count);
    [[nodiscard]] std::optional<event> next_change();

    const use use_;
    const pid_t opener_;
    std::vector<int> vectors_; ///< descriptors of the derived class
    unique_fd rings_;          ///< an epoll descriptor over vectors_[0] and passed_on_
    unique_fd attention_;      ///< over vectors_[0], noticed_, and that of the derived class
    unique_fd events_;         ///< over vectors_[0], unseen_, and those of the derived class
    unique_fd passed_on_;      ///< an eventfd: rings of vector 0 that others have read
    unique_fd noticed_;        ///< an eventfd: others have read an interrupt of vector 0
    unique_fd unseen_;         ///< an eventfd: changes that next_event() has not looked for
    std::atomic<std::uint64_t> rings_passed_on_{0};
    std::atomic<std::uint64_t> changes_{0};
    std::atomic<bool> states_watched_{false};
    mutable std::atomic<bool> events_wanted_{false};

    std::mutex mutex_;                 ///< guards the members below
    std::vector<std::uint32_t> known_; ///< the state table as next_event() has reported it
    std::uint32_t next_peer_ = 0;      ///< to look at first
};

} // namespace ivshmem
