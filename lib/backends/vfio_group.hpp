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

/// The descriptors of a device that a program keeps open for its successor: while they are open,
/// the device keeps its state, and the group is in use.
struct vfio_descriptors {
    unique_fd container;
    unique_fd group;
    unique_fd device;

    explicit operator bool() const noexcept { return container && group && device; }
};

/// An IOMMU group in its own container (Linux, Documentation/driver-api/vfio.rst): behind an IOMMU
/// with the type 1 interface, or VFIO's no-IOMMU group. The kernel allows a group to be opened
/// once, so the devices of a group that a process opens share this object.
class vfio_group {
  public:
    static std::shared_ptr<vfio_group> open(const device_info& info,
                                            const std::filesystem::path& root, failure& f);

    /// Continues with the group that another process had open, and has ended.
    static std::shared_ptr<vfio_group> adopt(const device_info& info, unique_fd container,
                                             unique_fd group, failure& f);

    /// Opens a device of the group, which resets and enables it, and returns the descriptor. Fails
    /// if the device is open already: the kernel would allow it, but the last opener gets all
    /// interrupts.
    [[nodiscard]] unique_fd open_device(const std::string& name, failure& f);
    /// Continues with a device that another process had open.
    void adopt_device(const std::string& name);
    /// Marks the device as closed.
    void device_closed(const std::string& name) noexcept;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] int container_fd() const noexcept { return container_.get(); }
    [[nodiscard]] int group_fd() const noexcept { return group_.get(); }

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
