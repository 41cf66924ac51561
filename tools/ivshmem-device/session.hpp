// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "function.hpp"
#include "packet.hpp"

namespace ivshmem_device {

/// The server's side of a vfio-user connection: answers the requests of a client for a PCI
/// function.
class session {
  public:
    explicit session(function& device) : device_{device} {}

    /// Answers a request. A request that asks for what the function lacks is answered by an errno.
    /// @param f Set if the client breaks the protocol: the connection must end.
    answer handle(packet request, ivshmem::failure& f);

    /// Returns whether the version was negotiated.
    [[nodiscard]] bool is_open() const { return open_; }

  private:
    answer negotiate(const packet& request, ivshmem::failure& f);
    answer region_info(const packet& request) const;
    answer irq_info(const packet& request) const;
    answer set_irqs(packet request);
    answer read_region(const packet& request);
    answer write_region(const packet& request);
    /// Returns whether the bytes of an access lie within the region.
    [[nodiscard]] bool is_within(const wire::region_access& a) const;

    function& device_;
    bool open_ = false;
};

} // namespace ivshmem_device
