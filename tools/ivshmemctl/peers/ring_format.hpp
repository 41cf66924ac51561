// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "peers/timestamp.hpp"

#include <cstdint>
#include <string>

namespace ivshmemctl {

/// Rings of one vector that were taken together.
struct ring_event {
    timestamp when{};
    std::uint16_t vector = 0;
    std::uint64_t count = 0; ///< the number of rings in this event
    std::uint64_t total = 0; ///< of all vectors since the start, these included
};

/// The format of a line about rings: text with letters after percent signs.
class ring_format {
  public:
    static constexpr const char* usual = "%t vector %v count %n";
    static constexpr const char* letters =
        "%t seconds since the Epoch, %T local time, %m seconds of the monotonic clock, %v the "
        "vector, %n how many rings, %s the sum of all so far, %% a percent sign";

    /// @throws std::invalid_argument that names an unknown letter.
    explicit ring_format(std::string text);

    [[nodiscard]] std::string operator()(const ring_event& event) const;

  private:
    std::string text_;
};

/// Returns the event as one line of JSON.
std::string to_json(const ring_event& event);

} // namespace ivshmemctl
