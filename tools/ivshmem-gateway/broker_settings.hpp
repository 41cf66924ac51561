// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ivshmem_gateway {

/// How the broker is reached, and what may wait for it.
struct broker_settings {
    std::string host{"127.0.0.1"}; ///< a name, or an address
    std::uint16_t port = 1883;
    /// Of the session at the broker, so it must be another one for each gateway, and the same after
    /// each start.
    std::string client_id{};

    /// @name TLS
    /// @{
    bool tls = false;
    std::string ca_file{};          ///< PEM; empty: those that the system trusts
    std::string certificate_file{}; ///< of this client, PEM; empty: none
    std::string key_file{};         ///< its key, PEM
    /// @}

    /// @name Credentials
    std::string user{}; ///< empty: none
    /// A file with one line, which is read at each connection. Empty: none.
    std::string password_file{};
    /// @}

    std::chrono::seconds keep_alive{60}; ///< 5 to 65535
    /// How long the broker keeps the session of a gateway that is away, with the messages of QoS 1
    /// and 2 for it.
    std::chrono::seconds session{3600};
    /// The longest packet that is taken from the broker, in bytes.
    std::uint32_t longest_packet = std::uint32_t{1} << 20U;

    /// @name The queue for the broker, in memory
    /// @{
    std::size_t queue_messages = 1000;
    std::size_t queue_bytes = std::size_t{16} << 20U;
    /// @}

    /// The longest time between two tries to connect.
    std::chrono::milliseconds longest_delay{30'000};
    /// How long the end of the program waits for what is in the queue.
    std::chrono::milliseconds flush_time{5000};

    /// For messages: "broker HOST:PORT".
    [[nodiscard]] std::string name() const {
        const bool v6 = host.find(':') != std::string::npos;
        return "broker " + (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
    }
};

} // namespace ivshmem_gateway
