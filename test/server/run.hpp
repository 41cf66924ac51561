// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"
#include "helpers/server_process.hpp"

#include <optional>
#include <string>
#include <vector>

#include <sys/socket.h>

namespace host {

/// How a run ended.
struct outcome {
    std::optional<int> code; ///< nothing: it did not end
    std::string output;
};

/// Runs the server with these options alone, to its end.
outcome run_server(const std::vector<std::string>& options);

/// Whether the text has this part; shows the text if a check fails for it.
bool has(const std::string& text, const std::string& part);

/// A socket bound to the path, and listening if it is of streams.
ivshmem::unique_fd listening_socket(const std::string& path, int type = SOCK_STREAM);

} // namespace host
