// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "backends/registers.hpp"
#include "backends/vfio_device.hpp"
#include "base/mapping.hpp"
#include "base/wait_fds.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace ivshmem {

/// A device that is bound to vfio-pci, through its IOMMU group.
class vfio_backend final : public backend {
  public:
    static std::unique_ptr<backend> open(const device_info& info, const open_options& options,
                                         failure& f);

    void ring(std::uint16_t peer, std::uint16_t vector, failure& f) override;
    [[nodiscard]] int rings_fd(std::uint32_t vector) const override;
    [[nodiscard]] int attention_fd() const override { return removal_.get(); }
    std::uint64_t take(std::uint32_t vector, failure& f) override;
    [[nodiscard]] int event_fd() const override { return events_.get(); }
    std::optional<event> next_event(failure& f) override;

  private:
    explicit vfio_backend(vfio_device device) : device_{std::move(device)} {}
    void map_registers(failure& f);
    void map_memory(const open_options& options, failure& f);
    void set_up_events(failure& f);
    void set_up_vectors(failure& f);
    [[nodiscard]] bool removal_requested() const noexcept;

    vfio_device device_;
    mapping bar0_;
    mapping bar2_;
    registers registers_;
    unique_fd removal_; ///< the REQ interrupt; never drained, so that it stays readable
    unique_fd error_;   ///< the ERR interrupt, if the device has one
    unique_fd events_;
    std::vector<unique_fd> vectors_; ///< eventfds
    std::atomic<bool> removal_reported_ = false;
};

} // namespace ivshmem
