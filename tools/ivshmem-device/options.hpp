// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "v2_function.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace ivshmem_device {

enum class profile {
    v2,
    qemu,
    acrn_hv,
    acrn_dm,
    cloud_hypervisor,
    revision_0,
    axvisor,
};

inline constexpr unsigned most_vectors = 256;
inline constexpr unsigned most_vms = 65536;

/// The settings from the command line.
struct options {
    profile what = profile::v2;
    bool verbose = false;
    std::vector<std::string> sockets; ///< of each VM; unused if systemd passes sockets
    unsigned vectors = 1;             ///< of MSI-X; 0: none
    bool express = false;             ///< PCI Express endpoints

    // v1
    std::uint64_t size = std::uint64_t{4} << 20; ///< bytes, a power of two
    std::string server;                          ///< the socket of an ivshmem server; empty: none
    std::uint16_t first_id = 0;
    std::uint16_t region = 0; ///< ACRN's region id
    bool intx = false;
    std::chrono::milliseconds late{0};

    v2_settings v2;
};

/// Returns the options; or the exit code if there is no more to do, after a message to the user.
/// @param passed The number of sockets that systemd passed: they replace --socket.
std::variant<options, int> parse(int argc, const char* const* argv, std::size_t passed);

} // namespace ivshmem_device
