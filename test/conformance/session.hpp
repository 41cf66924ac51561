// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "options.hpp"

#include <ivshmem/device.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace conformance {

/// Two or three parties that connect through the shared memory.
///
/// Layout: all numbers are words of 8 bytes, little-endian. Party r (0, 1, 2) has a slot of 1 KiB
/// at r * 1024, which only it writes:
///
/// | word | meaning                                                                         |
/// |------|---------------------------------------------------------------------------------|
/// | 0    | magic, "ivconf01"                                                               |
/// | 1    | run: a random number for each start of the program; 0 while the slot is written |
/// | 2    | the party's peer id                                                             |
/// | 3    | how many vectors it can wait for                                                |
/// | 4    | 1 if it can ring                                                                |
/// | 5    | how many of the agreed steps it has gone                                        |
/// | 8+q  | the run of party q that this one has seen                                       |
///
/// Words 8+q distinguish current values from those of an earlier run: only a party that runs now
/// can know this party's number. Above the first page each party has an equal part of the memory
/// for messages, in the order of the roles.
///
/// On ivshmem-v2 the slot and the part of party r are in the output section of its device, and its
/// state is 0x69760200 + r.
class session {
  public:
    static constexpr std::size_t most_parties = 3;

    struct party {
        std::uint64_t run = 0;
        std::uint16_t id = 0;
        std::uint32_t interrupts = 0;
        bool ring = false;
    };

    session(ivshmem::device& dev, const options& o);

    /// Waits for all parties.
    void meet();

    [[nodiscard]] unsigned me() const noexcept { return me_; }
    [[nodiscard]] unsigned parties() const noexcept { return parties_; }
    [[nodiscard]] const party& of(unsigned role) const { return known_.at(role); }
    /// A party's part of the memory. @pre It has come.
    [[nodiscard]] std::span<const std::byte> section(unsigned role) const;
    [[nodiscard]] std::span<std::byte> own_section() const;

    /// Announces that this party has reached a step.
    void reach(std::uint64_t step);
    [[nodiscard]] bool has_reached(unsigned role, std::uint64_t step) const;
    /// Waits until another party has reached a step; calls `meanwhile` every two seconds.
    template <typename Meanwhile>
    void await(unsigned role, std::uint64_t step, Meanwhile&& meanwhile) const;
    void await(unsigned role, std::uint64_t step) const;
    void await_all(std::uint64_t step) const;

  private:
    enum word : std::size_t { magic = 0, run, id, interrupts, ring, progress, seen = 8 };
    using clock = std::chrono::steady_clock;

    /// Returns the memory that a party's slot begins; null if it has not come.
    [[nodiscard]] const std::byte* page_of(unsigned role) const;
    [[nodiscard]] std::uint64_t read(unsigned role, std::size_t which) const;
    void write(std::size_t which, std::uint64_t value);
    bool meet(unsigned other);
    /// Pauses for a moment; fails if the party does not reach the step before the deadline.
    void pause(unsigned role, clock::time_point deadline, const char* what) const;

    ivshmem::device& dev_;
    std::chrono::milliseconds timeout_;
    unsigned me_;
    unsigned parties_;
    std::array<party, most_parties> known_{};
    bool v2_; ///< the device has output sections
    /// Their ids by role, on ivshmem-v2; the content stays when a party has gone.
    mutable std::array<std::optional<std::uint32_t>, most_parties> ids_{};
};

template <typename Meanwhile>
void session::await(unsigned role, std::uint64_t step, Meanwhile&& meanwhile) const {
    const auto deadline = clock::now() + timeout_;
    auto next = clock::now() + std::chrono::seconds{2};
    while (!has_reached(role, step)) {
        pause(role, deadline, "does not come on");
        if (clock::now() < next)
            continue;
        meanwhile();
        next += std::chrono::seconds{2};
    }
}

} // namespace conformance
