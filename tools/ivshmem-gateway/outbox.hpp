// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "outgoing.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

namespace ivshmem_gateway {

/// The messages for the broker, in memory: those in line, and those that are on their way and not
/// acknowledged yet. Bounded in messages and bytes; one message alone always has room.
class outbox {
  public:
    outbox(std::size_t messages, std::size_t bytes)
        : most_messages_{messages}, most_bytes_{bytes} {}

    /// Whether there is room for one more.
    [[nodiscard]] bool has_room() const {
        return count() == 0 || (count() < most_messages_ && bytes_ < most_bytes_);
    }
    /// Queues a message, whether there is room or not.
    void add(outgoing message);

    /// The next message in line. @pre has_next()
    [[nodiscard]] const outgoing& next() const { return line_.front().message; }
    [[nodiscard]] bool has_next() const { return !line_.empty(); }
    /// Takes the next message out. @pre has_next()
    outgoing drop_next();
    /// The next message in line is on its way. @pre has_next()
    /// @param id Under which the broker acknowledges it.
    /// @return A message whose id it took over, and which is lost.
    std::optional<outgoing> send_next(int id);
    /// A message was acknowledged. @return It, or nothing if there is none of that id.
    std::optional<outgoing> take(int id);

    /// Puts messages on their way back to the head of the line, in their order.
    /// @param with_qos Those of QoS 1 and 2 too.
    void send_again(bool with_qos);

    [[nodiscard]] std::size_t on_their_way() const { return sent_.size(); }
    [[nodiscard]] std::size_t count() const { return line_.size() + sent_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

  private:
    struct entry {
        std::uint64_t number = 0; ///< in the order of add()
        outgoing message;
    };

    std::size_t most_messages_;
    std::size_t most_bytes_;
    std::size_t bytes_ = 0;
    std::uint64_t added_ = 0;
    std::deque<entry> line_{};
    std::map<int, entry> sent_{};
};

} // namespace ivshmem_gateway
