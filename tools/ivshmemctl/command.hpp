// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"

#include <functional>
#include <string>

namespace CLI {
class App;
} // namespace CLI

namespace ivshmemctl {

/// What a subcommand does once the line is parsed; it returns what to exit with.
using command = std::function<int(const common_options&)>;

/// @name The subcommands, each in a file of its own
/// Adds the subcommand to the command line; when it is the one that is given, sets `chosen`.
/// @{
void add_bench(CLI::App& app, command& chosen);
void add_bind(CLI::App& app, command& chosen);
void add_doctor(CLI::App& app, command& chosen);
void add_dump(CLI::App& app, command& chosen);
void add_fill(CLI::App& app, command& chosen);
void add_info(CLI::App& app, command& chosen);
void add_monitor(CLI::App& app, command& chosen);
void add_peers(CLI::App& app, command& chosen);
void add_ping(CLI::App& app, command& chosen);
void add_read(CLI::App& app, command& chosen);
void add_ring(CLI::App& app, command& chosen);
void add_serve(CLI::App& app, command& chosen);
void add_unbind(CLI::App& app, command& chosen);
void add_wait(CLI::App& app, command& chosen);
void add_write(CLI::App& app, command& chosen);
/// @}

/// Writes a line to the standard error, the tool's name before it.
void complain(const std::string& line);

} // namespace ivshmemctl
