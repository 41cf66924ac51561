// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "function.hpp"
#include "options.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace ivshmem_device {

/// Makes the devices of one process: those of a link of its own, or peers of an ivshmem server.
class device_source {
  public:
    /// Receives a device, or null and the reason.
    using made = std::function<void(std::unique_ptr<function>, const std::string& why)>;

    device_source() = default;
    device_source(const device_source&) = delete;
    device_source& operator=(const device_source&) = delete;
    virtual ~device_source() = default;

    /// Makes the device of a VM, now or later. The one before of this VM has ended.
    /// @param vm The number of its socket.
    virtual void make(std::uint16_t vm, const std::string& name, made done) = 0;
    /// Describes the memory, for a message.
    [[nodiscard]] virtual std::string description() const = 0;

    static std::unique_ptr<device_source> open(boost::asio::io_context& io, const options& o,
                                               ivshmem::failure& f);
};

} // namespace ivshmem_device
