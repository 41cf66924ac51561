// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "token_bucket.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace ivshmem_gateway {

/// What each slot of the region may take of the broker. 0: no limit.
struct slot_limits {
    std::uint32_t topics = 16;       ///< at once
    std::uint32_t retained = 64;     ///< names at the broker, as long as the gateway runs
    std::uint64_t messages = 10'000; ///< a second
    std::uint64_t bytes = std::uint64_t{16} << 20U; ///< a second
};

/// Why something was refused or lost.
enum class refusal {
    topics,
    retained,
    messages, ///< the rate: it waits
    bytes,    ///< the rate: it waits
    name,     ///< it cannot be mapped
    size,     ///< the message is too long for the other side
    queue,    ///< the queue for a broker that is away, or slow, is full
};
inline constexpr std::size_t refusals = 7;
/// Returns words for a log: "messages over the rate, which wait".
[[nodiscard]] std::string_view words_for(refusal why) noexcept;

/// Decides what each slot of the region may pass on, so that no peer can use up the broker or the
/// gateway for the others; and counts what is refused.
///
/// The memory that it takes is bounded by the limits. Without a limit for retained messages, it
/// does not remember their names.
class limits {
  public:
    using clock = token_bucket::clock;

    explicit limits(const slot_limits& each) : each_{each} {}

    /// @name Asking
    /// A false answer was counted.
    /// @{

    /// Whether the slot may have one more topic; give it back by release_topic().
    [[nodiscard]] bool take_topic(std::uint32_t slot);
    void release_topic(std::uint32_t slot);
    /// Whether take_topic() would succeed. Counts nothing.
    [[nodiscard]] bool has_topic(std::uint32_t slot) const;
    /// Whether the slot may have a retained message of this name at the broker, or has one.
    [[nodiscard]] bool take_retained(std::uint32_t slot, std::string_view mqtt_name);
    /// Whether the slot may pass a message on now.
    [[nodiscard]] bool take_message(std::uint32_t slot, std::size_t bytes, clock::time_point now);
    /// @}

    /// When the slot may pass such a message on, if it passes no other one until then: now, or
    /// later. Counts nothing.
    [[nodiscard]] clock::time_point passes_at(std::uint32_t slot, std::size_t bytes,
                                              clock::time_point now);

    /// Counts what was refused elsewhere.
    void count(std::uint32_t slot, refusal why, std::uint64_t times = 1);

    /// @name Facts
    /// @{
    using counts = std::array<std::uint64_t, refusals>; ///< by refusal
    [[nodiscard]] std::uint64_t refused(std::uint32_t slot, refusal why) const;
    /// Calls report(slot, why, how many) for each count that has grown since the last call.
    void report_new(const std::function<void(std::uint32_t, refusal, std::uint64_t)>& report);
    /// @}

  private:
    struct use {
        explicit use(const slot_limits& l) : messages{l.messages}, bytes{l.bytes} {}

        std::uint32_t topics = 0;
        std::set<std::string, std::less<>> retained{};
        token_bucket messages;
        token_bucket bytes;
        counts refused{};
        counts reported{};
    };

    use& of(std::uint32_t slot) { return slots_.try_emplace(slot, each_).first->second; }

    slot_limits each_;
    std::map<std::uint32_t, use> slots_{}; ///< as many as a region has slots
};

} // namespace ivshmem_gateway
