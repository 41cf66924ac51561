// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/v2_backend.hpp"
#include "backends/vfio_device.hpp"
#include "backends/vfio_events.hpp"
#include "discovery/v2_capability.hpp"

#include <array>
#include <memory>
#include <vector>

namespace ivshmem {

/// An ivshmem-v2 device that is bound to vfio-pci, through its IOMMU group.
class vfio_v2_backend final : public v2_backend {
  public:
    static std::unique_ptr<backend> open(const device_info& info, const open_options& options,
                                         failure& f);
    /// Opens a device to share it: maps no BAR through VFIO, no section, and leaves the state to
    /// the programs.
    /// @param options `part` must be set.
    /// @param kept The device as an earlier process left it; empty if there was none.
    static std::unique_ptr<vfio_v2_backend> open_to_share(const device_info& info,
                                                          const open_options& options,
                                                          vfio_descriptors kept, failure& f);
    ~vfio_v2_backend() override { leave(); }
    /// @copydoc vfio_device::descriptors
    [[nodiscard]] std::array<int, 3> descriptors() const noexcept { return device_.descriptors(); }
    bool direct(std::uint32_t vector, int eventfd, failure& f) override;

  protected:
    std::uint64_t drain(failure& f) override;
    std::optional<event> next_other_event(failure& f) override {
        return removal_and_errors_.next(f);
    }
    void check_removal(failure& f) const override { removal_and_errors_.check_removal(f); }

  private:
    vfio_v2_backend(vfio_device device, const device_info& info, use how);
    void map_registers(failure& f);
    void read_capability(failure& f);
    /// Fails if the sections are not within BAR2.
    void check_sections(failure& f) const;
    void map_memory(const open_options& options, failure& f);
    /// Maps options.part, only for its cache mode.
    void learn_cache_mode(const open_options& options, failure& f);
    void set_up_interrupts(failure& f);
    /// Switches the one-shot mode off. @return Whether the device lets it be.
    bool make_continuous(failure& f);

    vfio_device device_;
    mapping bar0_;
    std::vector<mapping> memory_; ///< one a section
    v2_capability capability_;
    vfio_events removal_and_errors_;
    std::vector<unique_fd> eventfds_; ///< one a vector, or one for all if the device is one-shot
    bool one_shot_ = false;           ///< each interrupt switches the interrupts off
};

} // namespace ivshmem
