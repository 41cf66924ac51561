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

/// Whether a sanitizer keeps memory that the server has freed.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool keeps_freed_memory = true;
#elif defined(__has_feature)
inline constexpr bool keeps_freed_memory = __has_feature(address_sanitizer);
#else
inline constexpr bool keeps_freed_memory = false;
#endif

/// The result of a run.
struct outcome {
    std::optional<int> code; ///< empty if it did not end
    std::string output;
};

/// Runs the server with only these options, to its end.
outcome run_server(const std::vector<std::string>& options);

/// Returns whether the text contains this part; shows the text if a check fails.
bool has(const std::string& text, const std::string& part);

/// A socket bound to the path. A stream socket listens.
ivshmem::unique_fd listening_socket(const std::string& path, int type = SOCK_STREAM);

} // namespace host
