// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"

#include <ivshmem/device.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace test {

/// A server in this process, with one memory for any number of devices.
class meeting {
  public:
    explicit meeting(std::size_t bytes = 65536);
    meeting(const meeting&) = delete;
    meeting& operator=(const meeting&) = delete;
    ~meeting();

    /// Opens a device, and announces it to all others.
    ivshmem::device join(std::uint16_t id, std::uint32_t vectors = 1);
    /// Announces to the other devices that this one has left.
    void leave(std::uint16_t id);
    /// The memory, mapped independently of any device.
    [[nodiscard]] std::span<std::byte> memory() const { return memory_; }
    /// Clears the memory to zeros.
    void clear();

  private:
    struct member {
        std::uint16_t id = 0;
        ivshmem::unique_fd link;
        std::vector<ivshmem::unique_fd> vectors;
    };

    void greet(member& added);
    static void send(const ivshmem::unique_fd& link, std::int64_t value, int fd = -1);

    std::string folder_;
    std::string path_;
    ivshmem::unique_fd listener_;
    ivshmem::unique_fd file_;
    std::span<std::byte> memory_;
    std::vector<member> members_;
};

} // namespace test
