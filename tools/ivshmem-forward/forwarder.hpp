// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "connections/slot_watch.hpp"
#include "listening.hpp"
#include "offering.hpp"
#include "options.hpp"

#include <ivshmem/asio/slot.hpp>
#include <ivshmem/device.hpp>

#include <boost/asio/io_context.hpp>

#include <functional>
#include <list>
#include <system_error>

namespace ivshmem_forward {

/// All services of the program, in one slot of one device.
///
/// Must outlive the run of its event loop.
class forwarder {
  public:
    /// @param lost Called once if the slot or its device is lost.
    forwarder(boost::asio::io_context& io, ivshmem::device& device, ivshmem::asio::slot slot,
              std::function<void(std::error_code)> lost);
    forwarder(const forwarder&) = delete;
    forwarder& operator=(const forwarder&) = delete;
    ~forwarder();

    /// Listens, and offers.
    void start(const options& asked, ivshmem::failure& f);
    /// Ends all connections; then the event loop is stopped.
    void stop();

  private:
    void end_if_over();

    boost::asio::io_context& io_;
    ivshmem::device& device_;
    ivshmem::asio::slot slot_;
    connections::slot_watch watch_;
    std::list<listening> listens_{};
    std::list<offering> offers_{};
    bool stopping_ = false;
};

} // namespace ivshmem_forward
