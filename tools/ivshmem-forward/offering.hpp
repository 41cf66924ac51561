// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "connections/backend.hpp"
#include "connections/service.hpp"
#include "options.hpp"

#include <ivshmem/asio/slot.hpp>

#include <cstdint>
#include <functional>

namespace ivshmem_forward {

/// Offers a service, and joins its connections to a local socket.
///
/// Must outlive the run of its event loop.
class offering {
  public:
    /// @param ended Called when is_over() may have become true.
    /// @throws ivshmem::error as ivshmem::asio::acceptor
    offering(ivshmem::asio::slot& in, const offered& asked, std::function<void()> ended);

    /// @param enforced Whether the device enforces that a peer is in its own slot.
    void start(bool enforced);
    /// Takes the offer back, and ends all connections.
    void stop();
    /// Whether no peer is connected.
    [[nodiscard]] bool is_over() const { return service_.peers() == 0; }

  private:
    void join(const connections::carrier_ptr& from, std::uint32_t connection);

    ivshmem::asio::slot& slot_;
    offered asked_;
    connections::backend backend_;
    connections::service service_;
    bool stopping_ = false;
};

} // namespace ivshmem_forward
