// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/sysfs_registers.hpp"

#include "backends/open_guarded.hpp"
#include "discovery/advice.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace ivshmem {

namespace {

std::size_t page_of_registers() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace

void check_register_bytes(const device_info& info, std::size_t used, failure& f) {
    if (info.bars[0].size < used)
        f.set(errc::bar_missing, "{}: BAR0 has {} bytes, too few for the registers",
              to_string(info.address), info.bars[0].size);
}

volatile std::uint32_t* registers_in_page(const mapping& page, std::uint64_t start) {
    // Maps whole pages; BAR0 may begin inside one.
    void* const base = page.bytes().data() + start % page_of_registers();
    return static_cast<volatile std::uint32_t*>(base);
}

volatile std::uint32_t* map_sysfs_bar0(const device_info& info, const open_options& options,
                                       mapping& page, failure& f) {
    const std::string path =
        (options.root / "sys/bus/pci/devices" / to_string(info.address) / "resource0").string();
    const unique_fd fd = open_guarded(path, O_RDWR, f);
    if (f)
        return nullptr;
    if (is_shorter(fd.get(), static_cast<std::size_t>(info.bars[0].size)))
        f.set(errc::bar_missing, "{}: is shorter than BAR0: a captured tree has no device to open",
              path);
    if (f)
        return nullptr;
    page = mapping{fd.get(), page_of_registers(), 0};
    if (page)
        return registers_in_page(page, info.bars[0].start);
    if (errno == EPERM)
        f.set(errc::locked_down,
              "{}: mmap: kernel lockdown forbids it, except through vfio-pci; try: {}", path,
              iommu_remedy(info));
    else
        f.set_errno(errno, "{}: mmap (EINVAL: another driver claims BAR0)", path);
    return nullptr;
}

} // namespace ivshmem
