// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/uio_maps.hpp"
#include "backends/v2_backend.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"
#include "discovery/sysfs.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace ivshmem {

/// An ivshmem-v2 device through a UIO node that has a map for each section, as the driver
/// uio_ivshmem of Jailhouse's Linux makes it (drivers/uio/uio_ivshmem.c): registers, state_table
/// and, if the device has them, rw_section, input_sections and output_section. The interrupts of
/// all vectors are one, and one-shot.
class uio_v2_backend final : public v2_backend {
  public:
    static std::unique_ptr<backend> open(const device_info& info, const open_options& options,
                                         failure& f);
    ~uio_v2_backend() override { leave(); }

  protected:
    std::uint64_t drain(failure& f) override;

  private:
    explicit uio_v2_backend(const device_info& info);
    [[nodiscard]] sysfs_dir in_sysfs(const open_options& options) const;
    void open_node(const open_options& options, failure& f);
    void map_registers(const uio_maps& maps, failure& f);
    void map_memory(const uio_maps& maps, const open_options& options, failure& f);
    void map_outputs(const uio_maps& maps, failure& f);
    mapping map_section(const uio_maps::map& of, int protection, failure& f) const;
    [[nodiscard]] bool has_interrupt() const;

    unique_fd node_; ///< /dev/uioN
    std::string path_;
    std::atomic<std::uint32_t> last_count_ = 0;
    mapping bar0_;
    mapping states_;
    mapping read_write_;
    mapping outputs_; ///< of all peers
    mapping output_;  ///< that of this peer
};

} // namespace ivshmem
