// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/server_protocol.hpp"

#include <optional>
#include <string>

namespace ivshmem {

/// Describes for a message what a server speaks that does not begin with protocol version 0.
/// @param first Its first message.
/// @param second Its second message, if it sent one.
std::string other_protocol(const server_protocol::message& first,
                           const std::optional<server_protocol::message>& second);

} // namespace ivshmem
