// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <string_view>

/// The protocol between systemd and a service, sd_listen_fds(3) and sd_notify(3). A few lines
/// replace a dependency on libsystemd.
namespace ivshmem_server::systemd {

/// Returns the listening socket that systemd passed to the process, if there is one.
ivshmem::unique_fd passed_socket(ivshmem::failure& f);

/// Sends a state to the service manager, if there is one.
void notify(std::string_view state);

} // namespace ivshmem_server::systemd
