// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace ivshmem_server {

inline constexpr unsigned most_vectors = 256;
inline constexpr unsigned most_clients = 65536;

/// What the command line asks for, and the configuration file that it names.
struct options {
    bool verbose = false;
    bool foreground = false;
    std::string pid_file = "/var/run/ivshmem-server.pid";
    std::string socket = "/tmp/ivshmem_socket";
    std::string shm_name;                        ///< empty: not asked for
    std::string directory;                       ///< empty: not asked for
    std::uint64_t size = std::uint64_t{4} << 20; ///< bytes, as asked for
    unsigned vectors = 1;                        ///< 1 to most_vectors
    unsigned max_clients = 0;                    ///< 0: as many as the descriptor limit admits
    unsigned stall_timeout = 30;                 ///< seconds; 0: for ever
    bool departures = true;                      ///< tell clients which peers left
};

/// The options; or the exit code where there is no more to do (the user has been told why).
std::variant<options, int> parse(int argc, const char* const* argv);

} // namespace ivshmem_server
