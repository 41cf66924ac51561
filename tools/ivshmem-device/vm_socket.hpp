// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "connection.hpp"
#include "device_source.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace ivshmem_device {

/// The socket of a VM. Accepts one client at a time, and gives each a new device: a VM that ended
/// may come back.
class vm_socket {
  public:
    using acceptor_type = boost::asio::local::stream_protocol::acceptor;

    /// @param number The number of the VM.
    /// @param path The socket's, for messages.
    vm_socket(boost::asio::io_context& io, acceptor_type acceptor, std::uint16_t number,
              const std::string& path, device_source& source);

    /// Ends the connection, and accepts no more.
    void stop();

  private:
    void accept();
    void accepted(connection::socket_type socket);
    void ended(const std::string& process, const std::string& why);

    acceptor_type acceptor_;
    boost::asio::steady_timer accept_pause_;
    bool accept_paused_ = false;
    std::uint16_t number_;
    std::string name_; ///< for messages
    device_source& source_;
    std::shared_ptr<connection> connection_; ///< null: no client
};

} // namespace ivshmem_device
