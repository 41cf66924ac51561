// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <string_view>

/// What systemd agrees upon with a service, sd_listen_fds(3) and sd_notify(3): a few lines, for
/// which a library would be one more thing to depend on.
namespace ivshmem_server::systemd {

/// The listening socket that came with the start of the process, if one did.
ivshmem::unique_fd passed_socket(ivshmem::failure& f);

/// Tells the service manager, if there is one.
void notify(std::string_view state);

} // namespace ivshmem_server::systemd
