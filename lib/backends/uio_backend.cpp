// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/uio_backend.hpp"

#include "backends/bar2.hpp"
#include "backends/open_guarded.hpp"
#include "backends/other_registers.hpp"
#include "backends/sysfs_registers.hpp"
#include "discovery/advice.hpp"

#include <algorithm>
#include <limits>

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <unistd.h>

namespace ivshmem {

namespace {

std::size_t page_size() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::string pci_directory(const device_info& info, const open_options& options) {
    return (options.root / "sys/bus/pci/devices" / to_string(info.address)).string();
}

} // namespace

uio_backend::uio_backend(const device_info& info, const open_options& options)
    : sysfs_{pci_directory(info, options)}, opener_{::getpid()} {
    facts_.kind = backend_kind::uio;
    facts_.name = to_string(info.address);
    facts_.description = info.driver.empty() ? "uio, no driver" : "uio, " + info.driver;
    facts_.info = info;
    facts_.vectors = info.vectors.value_or(0);
    // If the capabilities could not be read, ringing is allowed: a plain device ignores it.
    facts_.capabilities.ring = info.type != device_type::plain;
}

std::unique_ptr<backend> uio_backend::open(const device_info& info, const open_options& options,
                                           failure& f) {
    std::unique_ptr<uio_backend> opened{new uio_backend{info, options}};
    if (info.driver.empty())
        opened->switch_on(f);
    else
        opened->open_node(f);
    if (!f)
        opened->check_decoding(f);
    if (!f)
        opened->map_registers(options, f);
    if (!f)
        refuse_other_registers(opened->registers_, info, f);
    if (!f)
        opened->facts_.id = opened->registers_.wait_for_id(
            opened->facts_.name, info.revision.value_or(1), options.timeout, f);
    if (!f)
        opened->map_memory(options, f);
    if (!f && opened->interrupts_)
        opened->set_up_interrupts(f);
    if (f)
        return nullptr;
    return opened;
}

uio_backend::~uio_backend() {
    // The kernel counts the users that enabled the device, so this object disables what it enabled,
    // except in a forked child. A failure cannot be reported.
    if (enable_ && opener_ == ::getpid())
        static_cast<void>(!::pwrite(enable_.get(), "0", 1, 0));
}

void uio_backend::switch_on(failure& f) {
    const std::string path = sysfs_.path("enable");
    unique_fd fd = open_guarded(path, O_WRONLY, f);
    if (fd && retry_eintr([&] { return ::pwrite(fd.get(), "1", 1, 0); }) != 1) {
        // It also needs CAP_SYS_ADMIN (Linux, drivers/pci/pci-sysfs.c, enable_store).
        f.set_errno(errno, "{}: switching the device on", path);
        fd = {};
    }
    if (f.code() == errc::permission_denied || f.code() == std::errc::operation_not_permitted) {
        if (!facts_.info->enabled)
            return f.set(errc::permission_denied,
                         "{}: permission denied: only root may switch the device on: echo 1 | sudo "
                         "tee {}",
                         path, path);
        f.clear(); // it is enabled already
    }
    if (f)
        return;
    enable_ = std::move(fd);
    if (facts_.info->type != device_type::plain)
        facts_.no_interrupts = why_no_interrupts();
}

void uio_backend::open_node(failure& f) {
    const device_info& info = *facts_.info;
    if (!info.uio_node)
        return f.set(errc::driver_unsuitable, "{}: bound to {}, but sysfs names no UIO node for it",
                     facts_.name, info.driver);
    interrupts_.emplace(info, sysfs_);
    interrupts_->open_node(f);
}

void uio_backend::set_up_interrupts(failure& f) {
    interrupts_->set_up(registers_, f);
    if (f || facts_.info->type == device_type::plain)
        return;
    const std::uint32_t count = interrupts_->count();
    facts_.capabilities.interrupts = count;
    if (facts_.vectors == 0)
        facts_.vectors = count;
    // The number of vectors may be unknown; still the driver is the reason why none can be waited
    // for.
    if (count < std::max(facts_.vectors, 1U))
        facts_.no_interrupts =
            interrupts_->obstacle().empty() ? why_no_interrupts() : interrupts_->obstacle();
}

/// The kernel enables memory decoding once, for the first user. If it was disabled since then,
/// loads return whatever the bus returns (QEMU: 0, a valid id) and stores are lost.
void uio_backend::check_decoding(failure& f) const {
    failure unreadable;
    const auto config = sysfs_.bytes("config", PCI_COMMAND + 2, unreadable);
    if (!config || config->size() < PCI_COMMAND + 2)
        return;
    if ((static_cast<unsigned char>((*config)[PCI_COMMAND]) & PCI_COMMAND_MEMORY) == 0)
        f.set(errc::device_gone,
              "{}: memory decoding is switched off in the PCI command register, so the device does "
              "not answer; try: setpci -s {} COMMAND=2:2",
              facts_.name, facts_.name);
}

std::string uio_backend::why_no_interrupts() const {
    const device_info& info = *facts_.info;
    if (const auto problem = msi_problem(info); !problem.empty())
        return formatted("{}; try: {}", problem, msi_remedy(info));
    const std::string cure = driver_remedy(info);
    if (info.driver.empty())
        return "no driver is bound that could deliver interrupts; try: " + cure;
    if (facts_.capabilities.interrupts == 0)
        return formatted("{} delivers no interrupts of this device ({}); try: {}", info.driver,
                         info.intx ? "the kernel has no IRQ for its INTx" : "it has MSI-X only",
                         cure);
    return formatted("{} delivers vector 0 only; for the others: {}", info.driver,
                     iommu_remedy(info));
}

void uio_backend::map_registers(const open_options& options, failure& f) {
    const bar_info& bar = facts_.info->bars[0];
    check_register_bytes(*facts_.info, registers::used_bytes, f);
    if (f)
        return;
    bar0_ = map_bar0_through_node();
    if (!bar0_) {
        registers_ = map_sysfs_registers<registers>(*facts_.info, options, bar0_, f);
        if (f)
            return;
    } else {
        registers_ = registers{registers_in_page(bar0_, bar.start)};
    }
    if (facts_.capabilities.ring)
        facts_.doorbell = registers_.mapped_doorbell();
}

/// The UIO node can map BAR0 for a process that may open the node, if its driver lists BAR0 with
/// the address of a page (uio_pci_generic does; igb_uio does if BAR0 begins a page).
mapping uio_backend::map_bar0_through_node() const {
    if (!interrupts_)
        return {};
    const std::string& path = facts_.info->uio_node->path;
    const sysfs_dir maps = sysfs_.dir("uio").dir(path.substr(path.rfind('/') + 1)).dir("maps");
    const std::uint64_t start = facts_.info->bars[0].start;
    const std::uint64_t first_page = start - start % page_size();
    for (std::size_t i = 0; maps.has(formatted("map{}", i)); ++i) {
        failure unreadable;
        const auto address =
            maps.dir(formatted("map{}", i))
                .number("addr", std::numeric_limits<std::uint64_t>::max(), unreadable);
        if (address == first_page)
            return mapping{interrupts_->node(), page_size(), static_cast<off_t>(i * page_size())};
    }
    return {};
}

void uio_backend::map_memory(const open_options& options, failure& f) {
    auto bar2 = map_bar2(*facts_.info, options, std::nullopt, f);
    if (f)
        return;
    bar2_ = std::move(bar2.map);
    facts_.memory = {bar2_.bytes(), bar2.mode, std::move(bar2.reason)};
}

void uio_backend::ring(std::uint16_t peer, std::uint16_t vector, failure& /*f*/) {
    registers_.write(registers::doorbell, std::uint32_t{peer} << 16U | std::uint32_t{vector});
}

int uio_backend::rings_fd(std::uint32_t vector) const {
    return interrupts_->rings_fd(vector);
}

std::uint64_t uio_backend::take(std::uint32_t vector, failure& f) {
    return interrupts_->take(vector, f);
}

} // namespace ivshmem
