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

/// An IOMMU group in a container of its own (Linux, Documentation/driver-api/vfio.rst): behind an
/// IOMMU with the type 1 interface, or VFIO's no-IOMMU group. The kernel lets a group be opened
/// once, so devices of one group that one process opens share this.
class vfio_group {
  public:
    static std::shared_ptr<vfio_group> open(const device_info& info,
                                            const std::filesystem::path& root, failure& f);

    /// The descriptor of one device of the group; opening it resets and enables the device. Once
    /// at a time: the kernel would allow more, but the last one to ask gets all interrupts.
    [[nodiscard]] unique_fd open_device(const std::string& name, failure& f);
    /// Forgets that the device is open.
    void device_closed(const std::string& name) noexcept;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    void check_viable(const device_info& info, failure& f) const;
    void attach_container(const device_info& info, const std::filesystem::path& root, failure& f);

    std::string path_;
    pid_t owner_ = 0;               ///< a forked child has no part in the group
    std::set<std::string> devices_; ///< that are open
    unique_fd container_;           ///< closed after the group
    unique_fd group_;
};

} // namespace ivshmem
