// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/topic_message.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ivshmemctl {

/// A message of a topic, to print.
struct topic_event {
    std::string_view topic;
    std::uint32_t slot = 0; ///< of the writer
    const ivshmem::topic_message& message;
    std::span<const std::byte> bytes;
};

/// The format of a message: text with letters after percent signs, those of mosquitto_sub if it has
/// one for the same.
class topic_format {
  public:
    static constexpr const char* usual = "%p";
    static constexpr const char* letters =
        "%p the bytes, %x and %X in hex, %l their number, %t the topic, %U the writer's time in "
        "seconds since the Epoch, %I as local time, %n the number of the message, %s how many "
        "were skipped before it, %S the writer's slot, %% a percent sign";

    /// @throws std::invalid_argument that names an unknown letter.
    explicit topic_format(std::string text);

    [[nodiscard]] std::string operator()(const topic_event& event) const;

  private:
    std::string text_;
};

/// Returns the message as one line of JSON.
std::string to_json(const topic_event& event);

} // namespace ivshmemctl
