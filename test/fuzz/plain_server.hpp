// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace test {

/// A listening socket, whose greeting is correct.
class plain_server {
  public:
    plain_server();
    plain_server(const plain_server&) = delete;
    plain_server& operator=(const plain_server&) = delete;
    ~plain_server();

    [[nodiscard]] const std::string& path() const { return path_; }
    /// Accepts a client, and greets it with two vectors of its own and of each other peer.
    /// @return The server's end of the connection, which does not block.
    [[nodiscard]] ivshmem::unique_fd greet(std::uint16_t id,
                                           const std::vector<std::uint16_t>& others) const;

  private:
    std::string folder_;
    std::string path_;
    ivshmem::unique_fd listener_;
};

/// Sends some bytes of a message, with any number of descriptors; what has no room is lost.
void send_piece(int socket, std::span<const unsigned char> bytes, std::span<const int> fds);

} // namespace test
