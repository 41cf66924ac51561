// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "backends/registers.hpp"
#include "backends/vfio_device.hpp"
#include "backends/vfio_events.hpp"
#include "base/mapping.hpp"
#include "base/wait_fds.hpp"

#include <array>
#include <memory>
#include <optional>
#include <vector>

namespace ivshmem {

/// A device that is bound to vfio-pci, through its IOMMU group.
class vfio_backend final : public backend {
  public:
    /// Where the BARs are mapped. A BAR that was mapped through VFIO, even once, can be mapped
    /// through sysfs no more while the device is open: VFIO claims it.
    enum class bars { any_way, sysfs_only };

    static std::unique_ptr<backend> open(const device_info& info, const open_options& options,
                                         failure& f);
    /// Opens a device to share it: maps no BAR through VFIO.
    /// @param kept The device as an earlier process left it; empty if there was none.
    static std::unique_ptr<vfio_backend> open_to_share(const device_info& info,
                                                       const open_options& options,
                                                       vfio_descriptors kept, failure& f);
    /// @copydoc vfio_device::descriptors
    [[nodiscard]] std::array<int, 3> descriptors() const noexcept { return device_.descriptors(); }

    void ring(std::uint16_t peer, std::uint16_t vector, failure& f) override;
    [[nodiscard]] int rings_fd(std::uint32_t vector) const override;
    [[nodiscard]] int attention_fd() const override { return removal_and_errors_.removal_fd(); }
    std::uint64_t take(std::uint32_t vector, failure& f) override;
    bool direct(std::uint32_t vector, int eventfd, failure& f) override;
    [[nodiscard]] int event_fd() const override { return events_.get(); }
    std::optional<event> next_event(failure& f) override;

  private:
    static std::unique_ptr<vfio_backend> set_up(vfio_device device, const device_info& info,
                                                const open_options& options, bars through,
                                                failure& f);
    vfio_backend(vfio_device device, bars through) : device_{std::move(device)}, bars_{through} {}
    void map_registers(const open_options& options, failure& f);
    void map_memory(const open_options& options, failure& f);
    void set_up_events(failure& f);
    void count_vectors(failure& f);
    void set_up_vectors(failure& f);

    vfio_device device_;
    const bars bars_;
    mapping bar0_;
    mapping bar2_;
    registers registers_;
    vfio_events removal_and_errors_;
    unique_fd events_;
    std::vector<unique_fd> vectors_; ///< eventfds
    bool intx_ = false;              ///< a revision 0 device without MSI-X
};

} // namespace ivshmem
