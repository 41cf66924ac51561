// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "broker.hpp"
#include "rule.hpp"
#include "tally.hpp"

#include <ivshmem/asio/slot.hpp>
#include <ivshmem/topic_writer.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ivshmem_gateway {

/// Returns what a broker is asked for: the filters of the rules that lead into the region.
[[nodiscard]] std::vector<broker::subscription> subscriptions_of(const std::vector<rule>& rules);

/// Writes messages of the broker to topics of the region, each of which it makes at its first
/// message, and marks as relayed.
class inward {
  public:
    /// @param max_message A longer payload is refused.
    /// @param lines Of the log: what a publisher can cause at any rate.
    inward(const ivshmem::asio::slot& into, const std::vector<rule>& rules,
           std::uint64_t max_message, tally& lines)
        : slot_{into}, rules_{rules}, max_message_{max_message}, lines_{lines} {}

    void pass(std::string_view topic, std::span<const std::byte> payload);

  private:
    struct made {
        const rule* by = nullptr;
        ivshmem::topic_writer writer;
    };

    [[nodiscard]] made* writer_for(const mapping& to);

    const ivshmem::asio::slot& slot_;
    const std::vector<rule>& rules_;
    std::uint64_t max_message_;
    tally& lines_;
    std::map<std::string, made, std::less<>> writers_{}; ///< by name; a slot has 16 at most
};

} // namespace ivshmem_gateway
