// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "broker_settings.hpp"
#include "ivshmemctl/common_options.hpp"
#include "ivshmemctl/peers/slot_choice.hpp"
#include "limits.hpp"
#include "rule.hpp"
#include "service/config_file.hpp"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace ivshmem_gateway {

/// The exit status if another try may succeed.
inline constexpr int exit_unusable = 1;

/// The settings from the command line and the configuration files.
struct options {
    ivshmemctl::common_options common{};
    ivshmemctl::slot_choice place{};
    broker_settings broker{};
    slot_limits each_slot{};
    std::uint64_t max_message = std::uint64_t{1} << 20U; ///< bytes, in either direction
    std::vector<rule> rules{};
    bool check = false;
};

/// The format of its configuration files.
extern const service::config_format config_file;

/// Returns the options; or the exit code if there is no more to do, after a message to the user.
std::variant<options, int> parse(int argc, const char* const* argv);

/// Returns the client identifier of a gateway that was given none: the same after each start, and
/// another one for each machine and device. It has 23 bytes, which every broker takes.
/// @param machine The content of /etc/machine-id; it cannot be told from the identifier.
/// @param device The name of the device, or the path of its server's socket.
[[nodiscard]] std::string default_client_id(const std::string& machine, const std::string& device);

} // namespace ivshmem_gateway
