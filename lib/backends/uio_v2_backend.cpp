// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/uio_v2_backend.hpp"

#include "discovery/permission.hpp"

#include <limits>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace ivshmem {

uio_v2_backend::uio_v2_backend(const device_info& info) : v2_backend{backend_kind::uio, info} {
    facts_.description = "uio, " + info.driver;
    facts_.vectors = info.vectors.value_or(1); // INTx, or this user cannot read the number
    facts_.no_interrupts =
        formatted("{} reports the rings of all vectors as those of vector 0", info.driver);
}

std::unique_ptr<backend> uio_v2_backend::open(const device_info& info, const open_options& options,
                                              failure& f) {
    std::unique_ptr<uio_v2_backend> opened{new uio_v2_backend{info}};
    opened->open_node(options, f);
    if (f)
        return nullptr;
    const uio_maps maps{opened->in_sysfs(options), f};
    if (!f)
        opened->map_registers(maps, f);
    if (!f)
        opened->map_memory(maps, options, f);
    const bool interrupts = !f && opened->has_interrupt();
    if (!f && !interrupts)
        opened->facts_.no_interrupts =
            formatted("{} has set up no interrupt for {}; see dmesg", info.driver, opened->path_);
    if (!f)
        opened->start(interrupts ? std::vector{opened->node_.get()} : std::vector<int>{}, -1, {},
                      f);
    if (f)
        return nullptr;
    return opened;
}

sysfs_dir uio_v2_backend::in_sysfs(const open_options& options) const {
    const sysfs_dir device{(options.root / "sys/bus/pci/devices" / facts_.name).string()};
    return device.dir("uio").dir(path_.substr(path_.rfind('/') + 1));
}

void uio_v2_backend::open_node(const open_options& options, failure& f) {
    const device_info& info = *facts_.info;
    if (!info.uio_node)
        return f.set(errc::driver_unsuitable, "{}: bound to {}, but sysfs names no UIO node for it",
                     facts_.name, info.driver);
    path_ = info.uio_node->path;
    // The node counts from the time when the driver was bound; earlier interrupts are ignored.
    failure no_count;
    last_count_ = static_cast<std::uint32_t>(
        in_sysfs(options)
            .number("event", std::numeric_limits<std::uint32_t>::max(), no_count)
            .value_or(0));
    node_ = unique_fd{
        retry_eintr([&] { return ::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC); })};
    if (!node_ && (errno == EACCES || errno == EPERM))
        return f.set(errc::permission_denied, "{}: permission denied: {}", path_,
                     permission_remedy(path_));
    if (!node_)
        return f.set_errno(errno, "{}: open", path_);
    // The device has one state and one section, so one process uses it at a time.
    if (::flock(node_.get(), LOCK_EX | LOCK_NB) != 0)
        f.set(errc::device_busy, "{}: another process, or this one, has the device open", path_);
}

mapping uio_v2_backend::map_section(const uio_maps::map& of, int protection, failure& f) const {
    if (is_shorter(node_.get(),
                   (of.number + 1U) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)))) {
        f.set(errc::bar_missing,
              "{}: is shorter than its maps: a captured tree has no device to open", path_);
        return {};
    }
    mapping map = uio_maps::map_pages(of, node_.get(), protection);
    if (!map)
        f.set_errno(errno, "{}: map {} ({}): mmap", path_, of.number, of.name);
    return map;
}

void uio_v2_backend::map_registers(const uio_maps& maps, failure& f) {
    const auto* const map = maps.find("registers");
    if (map == nullptr || maps.find("state_table") == nullptr)
        return f.set(
            errc::driver_unsuitable,
            "{}: {} has no maps named registers and state_table, but: {}; bind vfio-pci or "
            "uio_ivshmem",
            facts_.name, path_, maps.names());
    if (map->size < v2_registers::used_bytes)
        return f.set(errc::bar_missing, "{}: the map registers has {} bytes, too few for them",
                     path_, map->size);
    bar0_ = map_section(*map, PROT_READ | PROT_WRITE, f);
    if (f)
        return;
    void* const base = bar0_.bytes().data() + map->offset;
    take_registers(v2_registers{static_cast<volatile std::uint32_t*>(base)}, f);
}

void uio_v2_backend::map_memory(const uio_maps& maps, const open_options& options, failure& f) {
    if (options.cache && *options.cache != cache_mode::write_back)
        return f.set(errc::cache_mode_unavailable,
                     "{}: {} maps the memory cacheable; leave the mode to the library", path_,
                     facts_.info->driver);
    const auto* const states = maps.find("state_table");
    const auto* const read_write = maps.find("rw_section");
    const auto* const output = maps.find("output_section");
    v2_layout layout;
    if (states->size > std::numeric_limits<std::uint32_t>::max())
        return f.set(errc::sections_invalid, "{}: its state table has {} bytes", path_,
                     states->size);
    layout.state_table = static_cast<std::uint32_t>(states->size);
    layout.read_write = read_write == nullptr ? 0 : read_write->size;
    layout.output = output == nullptr ? 0 : output->size;
    for (const auto* const map : {states, read_write, output, maps.find("input_sections")})
        if (map != nullptr && map->offset != 0)
            return f.set(errc::sections_invalid, "{}: its map {} begins inside a page", path_,
                         map->name);
    check_v2_sizes(path_, layout, facts_.v2->max_peers, f);
    if (f)
        return;
    states_ = map_section(*states, PROT_READ, f);
    if (!f && layout.read_write != 0)
        read_write_ = map_section(*read_write, PROT_READ | PROT_WRITE, f);
    if (!f && layout.output != 0)
        map_outputs(maps, f);
    if (f)
        return;
    facts_.info->v2 = layout;
    take_sections(
        {states_.bytes(), read_write_.bytes(), outputs_.bytes(), output_.bytes()}, options.part,
        cache_mode::write_back,
        formatted("write-back through {}, as {} asks for it (not verified: the kernel may "
                  "map it uncached if an MTRR says so)",
                  path_, facts_.info->driver),
        f);
}

void uio_v2_backend::map_outputs(const uio_maps& maps, failure& f) {
    const auto* const inputs = maps.find("input_sections");
    const auto* const own = maps.find("output_section");
    const std::uint32_t peers = facts_.v2->max_peers;
    if (inputs == nullptr || inputs->size != own->size * peers)
        return f.set(
            errc::sections_invalid,
            "{}: its map input_sections has {:#x} bytes, not {} times the {:#x} of its map "
            "output_section",
            path_, inputs == nullptr ? 0 : inputs->size, peers, own->size);
    outputs_ = map_section(*inputs, PROT_READ, f);
    if (!f)
        output_ = map_section(*own, PROT_READ | PROT_WRITE, f);
}

/// As for v1: a node without an interrupt fails with EIO, and would poll readable for ever.
bool uio_v2_backend::has_interrupt() const {
    std::uint32_t total = 0;
    const auto got = retry_eintr([&] { return ::read(node_.get(), &total, sizeof total); });
    return got == sizeof total || (got < 0 && errno == EAGAIN);
}

std::uint64_t uio_v2_backend::drain(failure& f) {
    std::uint32_t total = 0; // of all interrupts since the driver was bound
    const auto got = retry_eintr([&] { return ::read(node_.get(), &total, sizeof total); });
    const bool gone = got < 0 && errno != EAGAIN;
    // Also if nothing came: an interrupt that was lost has switched them off too.
    registers_.write(v2_registers::int_control, 1);
    if (gone)
        f.set(errc::device_removed, "{}: the device was removed or unbound: close it", path_);
    if (got != sizeof total)
        return 0;
    std::uint32_t last = last_count_;
    // Another thread may have read a newer total that includes these.
    while (static_cast<std::int32_t>(total - last) > 0)
        if (last_count_.compare_exchange_weak(last, total))
            return total - last;
    return 0;
}

} // namespace ivshmem
