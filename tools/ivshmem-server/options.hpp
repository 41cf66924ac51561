// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "service/config_file.hpp"

#include <cstdint>
#include <string>
#include <variant>

namespace ivshmem_server {

inline constexpr unsigned most_vectors = 256;
inline constexpr unsigned most_clients = 65536;

/// The settings from the command line and its configuration file.
struct options {
    bool verbose = false;
    bool foreground = false;
    std::string pid_file = "/var/run/ivshmem-server.pid";
    std::string socket = "/tmp/ivshmem_socket";
    std::string shm_name;                        ///< empty: not given
    std::string directory;                       ///< empty: not given
    std::uint64_t size = std::uint64_t{4} << 20; ///< bytes, as given
    unsigned vectors = 1;                        ///< 1 to most_vectors
    unsigned max_clients = 0;                    ///< 0: as many as the descriptor limit allows
    unsigned max_clients_per_uid = 0;            ///< 0: no limit
    unsigned stall_timeout = 30;                 ///< seconds; 0: no limit
    bool departures = true;                      ///< announce departures to the other clients
};

/// The format of its configuration file.
extern const service::config_format config_file;

/// Returns the options; or the exit code if there is no more to do, after a message to the user.
std::variant<options, int> parse(int argc, const char* const* argv);

} // namespace ivshmem_server
