// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"
#include "service/peer_process.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ivshmem_share {

/// A program that shares the device: its connection, its eventfds and its slots.
struct program {
    /// What it has to do with a vector.
    struct vector {
        ivshmem::unique_fd eventfd;
        bool watched = false; ///< it waits for its interrupts
        bool missed = false;  ///< interrupts may have gone straight to another program
    };

    /// A list of programs that is being sent: the numbers of those that are left.
    struct listing {
        std::uint64_t next = 0;
        std::uint64_t end = 0;
    };

    program(boost::asio::posix::stream_descriptor connection, service::peer_process from);

    [[nodiscard]] int socket() { return connection.native_handle(); }
    /// "12 (postgres)", for messages.
    [[nodiscard]] std::string label() const;
    /// The program, and the vectors and slots that it has.
    [[nodiscard]] std::string use() const;

    std::uint64_t number = 0; ///< of its descriptors in the store
    boost::asio::posix::stream_descriptor connection;
    service::peer_process process;
    std::string name; ///< that of the process, as the kernel has it
    bool joined = false;
    bool gone = false;
    std::vector<vector> vectors;
    std::map<std::uint32_t, unsigned> slots; ///< how often it has taken each
    std::optional<listing> asked;
};

} // namespace ivshmem_share
