// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "packet.hpp"
#include "session.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>

namespace ivshmem_device {

/// The connection of a VM: receives its requests and sends the answers, one after the other, so
/// that a client that does not read waits by itself.
///
/// Runs in the io_context's only thread. Its handlers keep it alive until close().
class connection : public std::enable_shared_from_this<connection> {
  public:
    using socket_type = boost::asio::local::stream_protocol::socket;
    /// Called once, with the reason, when the connection has ended by itself.
    using ended = std::function<void(const std::string& why)>;

    connection(socket_type socket, ended when_ended);

    /// Begins to answer for this device.
    void start(std::unique_ptr<function> device);
    /// Ends the connection, and the device.
    void close();
    /// Returns whether the client has closed its end, even if requests of it are still to be read.
    [[nodiscard]] bool is_hung_up();

  private:
    void read();
    void write();
    void answer_pending();
    void end(const std::string& why);

    socket_type socket_;
    boost::asio::steady_timer limit_; ///< of the time until the version is negotiated
    ended ended_;
    bool closed_ = false;
    packet_reader reader_;
    packet_writer writer_;
    std::unique_ptr<function> device_;
    std::unique_ptr<session> session_;
};

} // namespace ivshmem_device
