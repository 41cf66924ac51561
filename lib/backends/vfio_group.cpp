// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/vfio_group.hpp"

#include "discovery/advice.hpp"
#include "discovery/diagnosis.hpp"
#include "discovery/permission.hpp"

#include <map>
#include <mutex>

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace ivshmem {

namespace {

/// The groups that this process has open, by path.
struct group_table {
    std::mutex mutex;
    std::map<std::string, std::weak_ptr<vfio_group>> groups;
};

group_table& open_groups() {
    // Never destroyed, because a device may be closed after other static objects are destroyed.
    static group_table& table = *new group_table;
    return table;
}

unique_fd open_node(const std::string& path, failure& f) {
    unique_fd fd{retry_eintr([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC); })};
    if (fd)
        return fd;
    switch (const int number = errno) {
    case ENOENT:
        f.set(errc::iommu_missing,
              "{}: no such node: is the module vfio loaded, and is /dev "
              "mounted? try: modprobe vfio-pci",
              path);
        break;
    case EACCES:
        f.set(errc::permission_denied, "{}: permission denied: {}", path, permission_remedy(path));
        break;
    case EPERM:
        f.set(errc::permission_denied,
              "{}: operation not permitted: a no-IOMMU group needs "
              "CAP_SYS_RAWIO; run as root",
              path);
        break;
    case EBUSY:
        f.set(errc::device_busy,
              "{}: the group is in use by another process (fuser -v {} names "
              "it)",
              path, path);
        break;
    default:
        f.set_errno(number, "{}: open", path);
    }
    return fd;
}

} // namespace

std::shared_ptr<vfio_group> vfio_group::open(const device_info& info,
                                             const std::filesystem::path& root, failure& f) {
    if (!info.iommu_group || !info.vfio_node) {
        f.set(errc::iommu_missing, "{}: bound to vfio-pci but in no IOMMU group; try: {}",
              to_string(info.address), driver_remedy(info));
        return nullptr;
    }
    const std::string& path = info.vfio_node->path;
    const std::lock_guard lock{open_groups().mutex};
    auto& known = open_groups().groups[path];
    if (auto group = known.lock(); group && group->owner_ == ::getpid())
        return group;

    auto group = std::make_shared<vfio_group>();
    group->path_ = path;
    group->owner_ = ::getpid();
    group->group_ = open_node(path, f);
    if (!f)
        group->check_viable(info, f);
    if (!f)
        group->attach_container(info, root, f);
    if (f)
        return nullptr;
    known = group;
    return group;
}

std::shared_ptr<vfio_group> vfio_group::adopt(const device_info& info, unique_fd container,
                                              unique_fd group, failure& f) {
    if (!info.iommu_group || !info.vfio_node) {
        f.set(errc::device_gone, "{}: is bound to vfio-pci no more: open it again",
              to_string(info.address));
        return nullptr;
    }
    auto adopted = std::make_shared<vfio_group>();
    adopted->path_ = info.vfio_node->path;
    adopted->owner_ = ::getpid();
    adopted->container_ = std::move(container);
    adopted->group_ = std::move(group);
    const std::lock_guard lock{open_groups().mutex};
    open_groups().groups[adopted->path_] = adopted;
    return adopted;
}

void vfio_group::adopt_device(const std::string& name) {
    const std::lock_guard lock{open_groups().mutex};
    devices_.insert(name);
}

void vfio_group::check_viable(const device_info& info, failure& f) const {
    vfio_group_status status{};
    status.argsz = sizeof status;
    if (::ioctl(group_.get(), VFIO_GROUP_GET_STATUS, &status) != 0)
        return f.set_errno(errno, "{}: VFIO_GROUP_GET_STATUS", path_);
    if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) != 0)
        return;
    for (const auto& member : info.group_members) {
        if (holds_group_back(member))
            return f.set(errc::group_not_viable,
                         "{}: group not viable: {} is still bound to {}; "
                         "bind it to vfio-pci or unbind it",
                         path_, to_string(member.address), member.driver);
    }
    f.set(errc::group_not_viable,
          "{}: group not viable: a device of the group is still bound to "
          "another driver; see /sys/kernel/iommu_groups/{}/devices",
          path_, *info.iommu_group);
}

void vfio_group::attach_container(const device_info& info, const std::filesystem::path& root,
                                  failure& f) {
    const std::string node = (root / "dev/vfio/vfio").string();
    container_ = open_node(node, f);
    if (f)
        return;
    if (const int version = ::ioctl(container_.get(), VFIO_GET_API_VERSION);
        version != VFIO_API_VERSION)
        return f.set(std::make_error_code(std::errc::not_supported),
                     formatted("{}: the kernel speaks version {} of the VFIO interface, not {}",
                               node, version, VFIO_API_VERSION));
    const int container = container_.get();
    if (::ioctl(group_.get(), VFIO_GROUP_SET_CONTAINER, &container) != 0) {
        if (errno == EBUSY)
            return f.set(errc::device_busy, "{}: the group is in use by another process", path_);
        return f.set_errno(errno, "{}: VFIO_GROUP_SET_CONTAINER", path_);
    }
    const unsigned long type = info.noiommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;
    if (::ioctl(container, VFIO_SET_IOMMU, type) == 0)
        return;
    if (errno == EPERM)
        return f.set(errc::permission_denied,
                     "{}: VFIO_SET_IOMMU: not permitted: the IOMMU remaps no interrupts; try: {}",
                     path_, remapping_remedy(info.machine));
    if (info.noiommu && (errno == ENODEV || errno == EINVAL))
        return f.set_errno(errno,
                           "{}: VFIO_SET_IOMMU: VFIO's no-IOMMU mode was switched off; try: "
                           "ivshmemctl unbind {} && ivshmemctl bind --no-iommu {}",
                           path_, to_string(info.address), to_string(info.address));
    if (errno == ENODEV || errno == EINVAL)
        return f.set_errno(errno,
                           "{}: VFIO_SET_IOMMU: is the module vfio_iommu_type1 loaded? try: "
                           "modprobe vfio_iommu_type1",
                           path_);
    f.set_errno(errno, "{}: VFIO_SET_IOMMU", path_);
}

void vfio_group::device_closed(const std::string& name) noexcept {
    if (owner_ != ::getpid())
        return;
    const std::lock_guard lock{open_groups().mutex};
    devices_.erase(name);
}

unique_fd vfio_group::open_device(const std::string& name, failure& f) {
    const std::lock_guard lock{open_groups().mutex};
    if (devices_.contains(name)) {
        f.set(errc::device_busy, "{}: {} is open in this process already", path_, name);
        return {};
    }
    unique_fd fd{::ioctl(group_.get(), VFIO_GROUP_GET_DEVICE_FD, name.c_str())};
    if (fd) {
        devices_.insert(name);
        return fd;
    }
    if (errno == EBUSY)
        f.set(errc::device_busy, "{}: {} is in use by another program", path_, name);
    else
        f.set_errno(errno, "{}: VFIO_GROUP_GET_DEVICE_FD {}: is it bound to vfio-pci?", path_,
                    name);
    return fd;
}

} // namespace ivshmem
