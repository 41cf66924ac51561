// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "open_device.hpp"

#include <ivshmem/discovery.hpp>

#include <stdexcept>
#include <variant>

#include <unistd.h>

namespace ivshmemctl {
namespace {

/// Whether a socket is named, so that no PCI device needs to be found.
bool is_server(const common_options& common) {
    const auto& what = common.device.what();
    return std::holds_alternative<ivshmem::selector::server_at>(what) ||
           std::holds_alternative<ivshmem::selector::share_at>(what);
}

} // namespace

ivshmem::device open_device(const common_options& common, std::optional<ivshmem::cache_mode> cache,
                            std::optional<ivshmem::memory_region> part) {
    if (common.sysroot != "/" && !is_server(common)) { // a server is no part of a tree
        static_cast<void>(common.device.choose(ivshmem::discover(common.sysroot)));
        throw std::runtime_error{common.sysroot + ": a captured tree has no device to open"};
    }
    ivshmem::open_options how;
    how.root = common.sysroot;
    how.cache = cache;
    // Of ivshmem-v2 all sections are mapped, and the part would be one of the read/write section.
    if (part &&
        (is_server(common) || common.device.choose(ivshmem::discover(common.sysroot)).generation ==
                                  ivshmem::device_generation::v1))
        how.part = part;
    how.trust_server = common.trust_server;
    return ivshmem::device::open(common.device, how);
}

std::optional<ivshmem::memory_region> no_memory(const common_options& common) {
    if (is_server(common))
        return std::nullopt;
    return ivshmem::memory_region{0, static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
}

std::uint64_t memory_size(const ivshmem::device& device) {
    // Of ivshmem-v2 all of the section is mapped, and BAR2 has other sections too.
    const bool v1 = device.generation() == ivshmem::device_generation::v1;
    return v1 && device.info() != nullptr ? device.info()->memory_size() : device.memory().size();
}

std::string name_of(const ivshmem::device& device) {
    return device.info() != nullptr ? to_string(device.info()->address) : device.description();
}

std::string own_peer(const ivshmem::device& device) {
    return device.capabilities().ring ? "peer " + std::to_string(device.id())
                                      : std::string{"a peer without an id"};
}

} // namespace ivshmemctl
