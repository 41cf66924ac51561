// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <string_view>
#include <vector>

#include <sys/socket.h>

/// The protocol between systemd and a service, sd_listen_fds(3) and sd_notify(3). A few lines
/// replace a dependency on libsystemd.
namespace service::systemd {

/// Returns the listening sockets that systemd passed to the process, in the order of the socket
/// unit.
/// @param most More than these are a failure.
/// @param type SOCK_STREAM or SOCK_SEQPACKET
std::vector<ivshmem::unique_fd> passed_sockets(int most, ivshmem::failure& f,
                                               int type = SOCK_STREAM);

/// Sends a state to the service manager, if there is one.
void notify(std::string_view state);

} // namespace service::systemd
