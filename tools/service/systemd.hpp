// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <string>
#include <string_view>
#include <vector>

/// The protocol between systemd and a service, sd_listen_fds(3) and sd_notify(3). A few lines
/// replace a dependency on libsystemd.
namespace service::systemd {

/// Returns the listening sockets that systemd passed to the process, in the order of the socket
/// unit.
/// @param most More than these are a failure.
std::vector<ivshmem::unique_fd> passed_sockets(int most, ivshmem::failure& f);

/// Sends a state to the service manager, if there is one.
void notify(std::string_view state);

/// A descriptor that systemd passed: of a socket unit, or one that this service stored before.
struct passed_descriptor {
    std::string name; ///< FileDescriptorName=, or that of store()
    ivshmem::unique_fd fd;
};

/// Returns all descriptors that systemd passed to the process.
std::vector<passed_descriptor> passed_descriptors();

/// Whether this is a listening UNIX socket. @param type SOCK_STREAM or SOCK_SEQPACKET
bool is_listening(int fd, int type);

/// Whether there is a service manager, which can store descriptors.
bool has_manager();

/// Lets the service manager keep a descriptor open, and pass it to the service when that starts
/// again (FileDescriptorStoreMax=).
void store(const std::string& name, int fd);

/// Lets the service manager close what was stored by this name.
void forget(const std::string& name);

} // namespace service::systemd
