// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "backends/registers.hpp"
#include "backends/uio_interrupts.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"
#include "discovery/sysfs.hpp"

#include <memory>
#include <optional>

#include <sys/types.h>

namespace ivshmem {

/// A device that is bound to a UIO driver (igb_uio, uio_pci_generic), or to none: the BARs through
/// sysfs or the UIO node, and the node's interrupts, if it has some.
class uio_backend final : public backend {
  public:
    static std::unique_ptr<backend> open(const device_info& info, const open_options& options,
                                         failure& f);
    ~uio_backend() override;

    void ring(std::uint16_t peer, std::uint16_t vector, failure& f) override;
    [[nodiscard]] int rings_fd(std::uint32_t vector) const override;
    std::uint64_t take(std::uint32_t vector, failure& f) override;

  private:
    uio_backend(const device_info& info, const open_options& options);
    void switch_on(failure& f);
    void open_node(failure& f);
    void set_up_interrupts(failure& f);
    void check_decoding(failure& f) const;
    void map_registers(const open_options& options, failure& f);
    [[nodiscard]] mapping map_bar0_through_node() const;
    void map_memory(const open_options& options, failure& f);
    [[nodiscard]] std::string why_no_interrupts() const;

    sysfs_dir sysfs_;
    mapping bar0_;
    mapping bar2_;
    registers registers_;
    std::optional<uio_interrupts> interrupts_; ///< and the node /dev/uioN, if there is one
    unique_fd enable_; ///< sysfs `enable`, if this object enabled the device
    pid_t opener_;
};

} // namespace ivshmem
