// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "held_device.hpp"

#include "backends/open_guarded.hpp"
#include "backends/server_backend.hpp"
#include "backends/uio_backend.hpp"
#include "backends/vfio_backend.hpp"
#include "backends/vfio_v2_backend.hpp"
#include "bar_pages.hpp"
#include "discovery/advice.hpp"
#include "discovery/discovery.hpp"
#include "discovery/selector.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include <fcntl.h>
#include <unistd.h>

namespace ivshmem_share {

using ivshmem::cache_mode;
using ivshmem::device_info;
using ivshmem::errc;
using ivshmem::failure;
using ivshmem::open_options;
namespace protocol = ivshmem::share_protocol;

namespace {

/// In the store: container, group and device.
constexpr std::array names{"vfio-container", "vfio-group", "vfio-device"};

void check_shareable(const device_info& info, const std::filesystem::path& root, failure& f) {
    const std::string name = to_string(info.address);
    const bool is_v2 = info.generation == ivshmem::device_generation::v2;
    const auto backend = ivshmem::backend_for(info);
    if (!backend)
        f.set(errc::driver_unsuitable, "{}: bound to {}, which no backend can use; try: {}", name,
              info.driver, ivshmem::driver_remedy(info));
    else if (is_v2 && *backend != ivshmem::backend_kind::vfio)
        f.set(
            errc::driver_unsuitable,
            "{}: an ivshmem-v2 device is shared through vfio-pci, not {}; try: ivshmemctl bind {}",
            name, info.driver, name);
    else if (!info.bars[0].present() || !info.bars[2].present())
        f.set(errc::bar_missing, "{}: has no BAR{}; ivshmemctl doctor {} says more", name,
              info.bars[0].present() ? 2 : 0, name);
    else if (!has_pages_to_itself(root, info, 2))
        f.set(errc::bar_missing,
              "{}: the pages of its memory (BAR2) hold BARs of other devices too, so it cannot be "
              "handed out; give it 4 KiB or more, or boot with pci=resource_alignment={}",
              name, name);
    else if (is_v2 && !has_pages_to_itself(root, info, 0))
        f.set(errc::bar_missing,
              "{}: the page of its registers (BAR0) holds BARs of other devices too, and programs "
              "need those of an ivshmem-v2 device; boot with pci=resource_alignment={}",
              name, name);
}

} // namespace

held_device held_device::open(const ivshmem::selector& which, const std::filesystem::path& root,
                              descriptor_store& store, failure& f) {
    held_device held;
    if (const auto* server = std::get_if<ivshmem::selector::server_at>(&which.what())) {
        held.open_server(server->path, f);
    } else {
        const auto found = ivshmem::find_devices(root, f);
        const device_info* const info = f ? nullptr : ivshmem::choose_device(which, found, f);
        if (info != nullptr)
            held.open_pci(*info, root, store, f);
    }
    if (!f)
        held.describe();
    return held;
}

void held_device::open_server(const std::string& path, failure& f) {
    auto opened = ivshmem::server_backend::open(path, {}, f);
    if (f)
        return;
    const auto& server = dynamic_cast<const ivshmem::server_backend&>(*opened);
    memory_ = ivshmem::unique_fd{::fcntl(server.memory_fd(), F_DUPFD_CLOEXEC, 0)};
    if (!memory_)
        return f.set_errno(errno, "{}: cannot duplicate the descriptor of the memory", path);
    backend_ = std::move(opened);
}

void held_device::open_vfio(const device_info& info, const open_options& options,
                            descriptor_store& store, failure& f) {
    ivshmem::vfio_descriptors kept{store.take(names[0]), store.take(names[1]),
                                   store.take(names[2])};
    std::array<int, names.size()> open{};
    const auto take = [&]<typename Backend>(std::unique_ptr<Backend> opened) {
        if (f)
            return;
        open = opened->descriptors();
        backend_ = std::move(opened);
    };
    if (info.generation == ivshmem::device_generation::v2)
        take(ivshmem::vfio_v2_backend::open_to_share(info, options, std::move(kept), f));
    else
        take(ivshmem::vfio_backend::open_to_share(info, options, std::move(kept), f));
    if (f)
        return;
    forget(store);
    for (std::size_t i = 0; i < names.size(); ++i)
        store.keep(names[i], open[i]);
}

void held_device::forget(descriptor_store& store) {
    for (const char* const name : names)
        store.forget(name);
}

void held_device::open_pci(const device_info& info, const std::filesystem::path& root,
                           descriptor_store& store, failure& f) {
    check_shareable(info, root, f);
    if (f)
        return;
    open_options options;
    options.root = root;
    // The service touches no memory; it only learns whether the kernel lets it be mapped.
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    options.part = ivshmem::memory_region{0, std::min(page, info.memory_size())};
    for (const auto mode : {cache_mode::write_combining, cache_mode::uncached}) {
        f.clear();
        options.cache = mode;
        if (*ivshmem::backend_for(info) == ivshmem::backend_kind::vfio)
            open_vfio(info, options, store, f);
        else
            backend_ = ivshmem::uio_backend::open(info, options, f);
        // Not prefetchable, or the driver has mapped it uncached first, as igb_uio does.
        if (f.code() != errc::cache_mode_unavailable)
            break;
    }
    if (f)
        return;
    const bool combining = *options.cache == cache_mode::write_combining;
    memory_ =
        ivshmem::open_guarded((combining ? info.resource2_wc : info.resource2)->path, O_RDWR, f);
    // Else the service rings for the programs.
    if (!f && has_pages_to_itself(root, info, 0))
        registers_ = ivshmem::open_guarded(info.resource0->path, O_RDWR, f);
}

void held_device::describe() {
    const auto& from = backend_->facts();
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    parts_ = {memory_.get()};
    facts_.id = from.id;
    facts_.vectors = from.vectors;
    facts_.interrupts = from.capabilities.interrupts;
    facts_.cache = static_cast<std::uint32_t>(from.memory.mode());
    facts_.memory = from.info ? from.info->memory_size() : from.memory.size();
    if (from.capabilities.ring)
        facts_.flags |= protocol::can_ring;
    if (from.capabilities.removal_events)
        facts_.flags |= protocol::reports_removal;
    if (from.v2) {
        const auto& layout = *from.info->v2;
        facts_.flags |= protocol::is_v2;
        facts_.state_table = layout.state_table;
        facts_.read_write = layout.read_write;
        facts_.output = layout.output;
        facts_.v2_protocol = from.v2->protocol;
    }
    if (registers_) {
        facts_.flags |= protocol::has_registers;
        facts_.register_offset = static_cast<std::uint32_t>(from.info->bars[0].start % page);
        parts_.push_back(registers_.get());
    }
    protocol::put_text(facts_.name, from.name);
    protocol::put_text(facts_.source, from.description);
    protocol::put_text(facts_.reason, from.memory.reason());
    protocol::put_text(facts_.no_interrupts, from.no_interrupts);
}

std::string held_device::name() const {
    return backend_ ? backend_->facts().name : std::string{};
}

} // namespace ivshmem_share
