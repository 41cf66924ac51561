// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "complete_options.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>
#include <vector>

#include <unistd.h>

namespace ivshmem_device {

namespace {

constexpr std::array v1_only{profile::qemu, profile::acrn_hv, profile::acrn_dm,
                             profile::cloud_hypervisor, profile::revision_0};

/// An option that only some profiles have.
struct limited_option {
    const char* name;
    std::vector<profile> profiles;
};
const std::vector<limited_option> limited_options{
    {"--vectors", {profile::v2, profile::qemu, profile::revision_0, profile::axvisor}},
    {"--size", {v1_only.begin(), v1_only.end()}},
    {"--server", {profile::qemu}},
    {"--id", {profile::acrn_hv}},
    {"--region", {profile::acrn_hv}},
    {"--late", {profile::revision_0}},
    {"--intx", {profile::v2, profile::revision_0}},
    {"--max-peers", {profile::v2, profile::axvisor}},
    {"--protocol", {profile::v2}},
    {"--state-size", {profile::v2, profile::axvisor}},
    {"--rw-size", {profile::v2, profile::axvisor}},
    {"--output-size", {profile::v2, profile::axvisor}},
    {"--protect", {profile::v2, profile::axvisor}},
    {"--no-bar2", {profile::v2}},
};

/// Returns what is wrong with the sections of v2; empty if nothing is. Completes the defaults.
std::string check_layout(v2_layout& l, std::size_t vms, bool has_max_peers) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    if (!has_max_peers)
        l.max_peers = static_cast<std::uint32_t>(std::max<std::size_t>(vms, 2));
    if (vms > l.max_peers)
        return "there are more sockets than --max-peers";
    const std::uint64_t table = std::uint64_t{l.max_peers} * 4;
    if (l.state_table == 0)
        l.state_table = (table + page - 1) / page * page;
    if (l.state_table < table)
        return "--state-size: each of the " + std::to_string(l.max_peers) +
               " peers needs 4 bytes of the state table";
    constexpr std::uint64_t largest_table = std::numeric_limits<std::uint32_t>::max();
    if (l.state_table > largest_table)
        return "--state-size: the capability has 32 bits for it";
    for (const auto& [name, size] :
         {std::pair{"--state-size", l.state_table}, std::pair{"--rw-size", l.read_write},
          std::pair{"--output-size", l.output}}) {
        if (size % page != 0)
            return std::string{name} + ": a section is a multiple of the page size, " +
                   std::to_string(page) + " bytes";
    }
    constexpr std::uint64_t most = std::uint64_t{1} << 46;
    if (l.read_write > most || l.output > most / l.max_peers)
        return "the sections take more than 64 TiB; choose smaller sizes";
    return {};
}

} // namespace

std::string complete(options& o, const raw_options& r, std::size_t passed) {
    for (const limited_option& l : limited_options) {
        if (r.is_given(l.name) &&
            std::find(l.profiles.begin(), l.profiles.end(), o.what) == l.profiles.end())
            return std::string{l.name} + ": the profile " + r.profile_name + " has no such option";
    }
    const std::size_t vms = passed != 0 ? passed : o.sockets.size();
    if (vms == 0)
        return "--socket: name a socket for each VM";
    if (vms > most_vms)
        return "--socket: there are at most 65536 VMs";
    std::vector<std::filesystem::path> sorted;
    for (const std::string& path : o.sockets) {
        std::error_code unknown;
        sorted.push_back(std::filesystem::absolute(path, unknown).lexically_normal());
    }
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
        return "--socket: two VMs have the same socket";
    const bool is_v2 = o.what == profile::v2 || o.what == profile::axvisor;
    if (o.what == profile::acrn_hv)
        o.vectors = 8;
    else if (o.what == profile::acrn_dm || o.what == profile::cloud_hypervisor)
        o.vectors = 0;
    else if (!r.is_given("--vectors"))
        o.vectors = is_v2 ? 2 : 1;
    else if (o.vectors == 0 && o.what != profile::qemu)
        return "--vectors: the profile " + r.profile_name + " has 1 to 256";
    if (o.first_id + vms > most_vms)
        return "--id: the last VM's id would be above 65535";
    if (o.intx && r.is_given("--vectors"))
        return "--vectors: INTx has none; leave out --vectors or --intx";
    if (!o.server.empty() && r.is_given("--size"))
        return "--size: the memory is that of --server, which has its size";
    o.late = std::chrono::milliseconds{r.late};
    if (o.what == profile::acrn_dm &&
        (!std::has_single_bit(o.size) || o.size < (2U << 20U) || o.size > (512U << 20U))) {
        if (r.is_given("--size"))
            return "--size: the memory of ACRN's device model is 2M to 512M, a power of two";
    }
    if (!is_v2) {
        constexpr std::uint64_t most = std::uint64_t{1} << 46;
        if (o.size > most)
            return "--size: a BAR has at most 64 TiB";
        o.size = std::max<std::uint64_t>(std::bit_ceil(o.size),
                                         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
        return {};
    }
    o.v2.vectors = o.vectors;
    o.v2.intx = o.intx;
    o.v2.bar2 = !r.no_bar2;
    o.v2.express = o.express;
    o.v2.axvisor = o.what == profile::axvisor;
    return check_layout(o.v2.layout, vms, r.is_given("--max-peers"));
}

} // namespace ivshmem_device
