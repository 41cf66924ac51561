// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "connections/address.hpp"
#include "connections/carrier.hpp"
#include "connections/service.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace connections {

/// The program that serves the connections of a service, at the address of a socket.
///
/// Must outlive the run of its event loop.
class backend {
  public:
    /// @param most Connections of one peer that are being made at once. A peer that opens and
    /// resets them all the time must not use up the descriptors.
    backend(boost::asio::any_io_executor on, address at, std::uint32_t most,
            std::function<void(const std::string& line)> log)
        : on_{std::move(on)}, at_{std::move(at)}, most_{most}, log_{std::move(log)} {}

    /// Connects, and joins the connection; refuses it, with a line of log, if that fails.
    /// @param of The name of the service.
    void join(const std::string& of, const carrier_ptr& from, std::uint32_t connection,
              carrier::on_end ended);

    [[nodiscard]] const address& at() const { return at_; }

  private:
    boost::asio::any_io_executor on_;
    address at_;
    std::uint32_t most_;
    std::function<void(const std::string& line)> log_;
    std::map<std::uint32_t, std::uint32_t> under_way_; ///< by the slot of the peer
};

} // namespace connections
