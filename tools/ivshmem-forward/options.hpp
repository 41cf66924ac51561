// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "connections/address.hpp"
#include "connections/frame.hpp"
#include "connections/service.hpp"
#include "ivshmemctl/common_options.hpp"
#include "ivshmemctl/peers/slot_choice.hpp"
#include "service/config_file.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <sys/types.h>

namespace ivshmem_forward {

/// The exit status if another try may succeed.
inline constexpr int exit_unusable = 1;

/// The end of a connection that this program ends, for the log.
inline const std::string this_side_ends = "this side ends";

/// A local socket, whose clients get connections to the service of a peer.
struct listened {
    std::string where; ///< where it was named, for messages: "--listen", or a file and a line
    connections::address at;
    connections::target to{};
    std::uint32_t connections = connections::limits{}.connections;
    std::chrono::seconds wait{5};   ///< for the service
    std::optional<::mode_t> mode{}; ///< of a UNIX socket; empty: as it is created
};

/// A service that is offered to peers, whose connections go to a local socket.
struct offered {
    std::string where;
    std::string name;
    std::optional<connections::address> from{};
    std::optional<std::vector<std::uint32_t>> allowed{}; ///< slots; empty: all
    std::uint32_t connections = connections::limits{}.connections;
};

/// The settings from the command line and the configuration files.
struct options {
    ivshmemctl::common_options common{};
    ivshmemctl::slot_choice place{};
    std::vector<listened> listens{};
    std::vector<offered> offers{};
    bool check = false;
};

/// The format of its configuration files.
extern const service::config_format config_file;

/// Returns the options; or the exit code if there is no more to do, after a message to the user.
std::variant<options, int> parse(int argc, const char* const* argv);

} // namespace ivshmem_forward
