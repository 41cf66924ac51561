// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "options.hpp"
#include "service/listener.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <vector>

namespace ivshmem_forward {

/// The listening sockets of an address: one, or for the name of a host one for each of its
/// addresses.
///
/// Must outlive the run of its event loop, also after close().
class local_listener {
  public:
    /// Called with a connected socket, which it owns, and the client's name for messages.
    using on_client = std::function<void(int socket, const std::string& who)>;

    local_listener(const boost::asio::any_io_executor& on, const listened& asked,
                   ivshmem::failure& f);
    local_listener(const local_listener&) = delete;
    local_listener& operator=(const local_listener&) = delete;

    /// Accepts clients until close().
    void start(on_client accepted);
    /// Stops listening, and removes the file of a UNIX socket.
    void close();

  private:
    using descriptor = boost::asio::posix::stream_descriptor;

    void listen_at_path(const listened& asked, ivshmem::failure& f);
    void listen_at(const connections::address::place& at, const listened& asked,
                   ivshmem::failure& f);
    void wait(descriptor& on);
    void accept(descriptor& on);
    void pause(descriptor& on, int number);

    boost::asio::any_io_executor on_;
    std::string name_;
    std::optional<service::listener> file_{}; ///< of a UNIX socket
    std::list<descriptor> sockets_{};
    boost::asio::steady_timer pause_;
    std::vector<descriptor*> paused_{}; ///< sockets that wait for it
    on_client accepted_{};
};

} // namespace ivshmem_forward
