// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/topic_sizes.hpp"

#include <algorithm>
#include <bit>

namespace ivshmem {

using layout::topics::grain;
using layout::topics::whole_grains;

namespace {

/// Its data has no more bytes, so that a message may take all of it.
constexpr std::uint64_t largest_data = (std::uint64_t{1} << 32U) - grain;
/// The share of the room that a topic takes unless it is told its size.
constexpr std::uint64_t default_share = 4;
/// The room that a topic of that size has for each message.
constexpr std::uint64_t default_message = 128;

bool in_ranges(const topic_options& options) {
    return options.size <= largest_data && options.messages <= layout::topics::most_messages &&
           options.max_message <= largest_data &&
           options.pinning_readers <= layout::topics::most_grants && options.pins_each >= 1 &&
           options.pins_each <= layout::topics::pins_per_row &&
           (options.size == 0 || options.max_message <= whole_grains(options.size));
}

} // namespace

topic_sizes topic_sizes::choose(const topic_options& options, std::uint64_t room, failure& f) {
    if (!in_ranges(options)) {
        f.set(std::make_error_code(std::errc::invalid_argument),
              formatted("topic_options: at most {} bytes, {} messages, {} readers that pin 1 to {} "
                        "each, and no longer message than the size",
                        largest_data, layout::topics::most_messages, layout::topics::most_grants,
                        layout::topics::pins_per_row));
        return {};
    }
    room /= default_share;
    const std::uint64_t wanted = options.size != 0 ? options.size : room;
    topic_sizes chosen;
    chosen.messages = options.messages;
    if (chosen.messages == 0)
        chosen.messages = static_cast<std::uint32_t>(std::bit_floor(
            std::clamp<std::uint64_t>(wanted / default_message, 2, layout::topics::most_messages)));
    chosen.messages = std::max(2U, std::bit_ceil(chosen.messages));
    chosen.data =
        options.size != 0
            ? whole_grains(options.size)
            : std::min(largest_data,
                       std::max(grain, (room - std::min(room, chosen.index())) / grain * grain));
    chosen.longest = options.max_message != 0 ? options.max_message : chosen.data;
    if (options.size == 0)
        chosen.data = std::max(chosen.data, whole_grains(chosen.longest));
    if (options.pinning_readers == 0)
        return chosen;
    // Those that are held, one on loan, and one that can be read meanwhile.
    const std::uint64_t cells = std::uint64_t{options.pinning_readers} * options.pins_each + 2;
    chosen.longest = options.max_message != 0 ? whole_grains(options.max_message)
                                              : chosen.data / cells / grain * grain;
    if (options.size == 0)
        chosen.data = std::max(chosen.data, chosen.longest * cells);
    if (chosen.longest == 0 || chosen.data > largest_data || chosen.data / chosen.longest < cells)
        f.set(errc::region_too_small,
              "a topic of {} bytes, whose messages of up to {} bytes {} readers pin {} each, needs "
              "room for {} of them; take a larger size or a smaller max_message (topic_options)",
              chosen.data, std::max(chosen.longest, grain), options.pinning_readers,
              options.pins_each, cells);
    else if (options.messages == 0) // one for each cell
        chosen.messages = static_cast<std::uint32_t>(std::bit_ceil(std::min<std::uint64_t>(
            chosen.data / chosen.longest + 1, layout::topics::most_messages)));
    return chosen;
}

} // namespace ivshmem
