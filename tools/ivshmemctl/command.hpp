// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"

#include <functional>
#include <string>

namespace ivshmemctl {

class subcommands;

/// The action of a subcommand. Returns the exit status.
using command = std::function<int(const common_options&)>;

/// @name The subcommands, each in a file of its own
/// Adds the subcommand to the command line.
/// @{
void add_bench(subcommands& line);
void add_bind(subcommands& line);
void add_conformance(subcommands& line);
void add_connect(subcommands& line);
void add_doctor(subcommands& line);
void add_dump(subcommands& line);
void add_fill(subcommands& line);
void add_info(subcommands& line);
void add_monitor(subcommands& line);
void add_offer(subcommands& line);
void add_peers(subcommands& line);
void add_ping(subcommands& line);
void add_pub(subcommands& line);
void add_read(subcommands& line);
void add_ring(subcommands& line);
void add_serve(subcommands& line);
void add_share(subcommands& line);
void add_state(subcommands& line);
void add_sub(subcommands& line);
void add_topics(subcommands& line);
void add_unbind(subcommands& line);
void add_wait(subcommands& line);
void add_write(subcommands& line);
/// @}

/// Writes a line to standard error, prefixed with the tool's name.
void complain(const std::string& line);

} // namespace ivshmemctl
