// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <ivshmem/device_info.hpp>

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include <sys/types.h>

namespace ivshmem {

/// An IOMMU group in its own container (Linux, Documentation/driver-api/vfio.rst): behind an IOMMU
/// with the type 1 interface, or VFIO's no-IOMMU group. The kernel allows a group to be opened
/// once, so the devices of a group that a process opens share this object.
class vfio_group {
  public:
    static std::shared_ptr<vfio_group> open(const device_info& info,
                                            const std::filesystem::path& root, failure& f);

    /// Opens a device of the group, which resets and enables it, and returns the descriptor. Fails
    /// if the device is open already: the kernel would allow it, but the last opener gets all
    /// interrupts.
    [[nodiscard]] unique_fd open_device(const std::string& name, failure& f);
    /// Marks the device as closed.
    void device_closed(const std::string& name) noexcept;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    void check_viable(const device_info& info, failure& f) const;
    void attach_container(const device_info& info, const std::filesystem::path& root, failure& f);

    std::string path_;
    pid_t owner_ = 0;               ///< a forked child does not own the group
    std::set<std::string> devices_; ///< the open devices
    unique_fd container_;           ///< closed after the group
    unique_fd group_;
};

} // namespace ivshmem
