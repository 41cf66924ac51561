// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/shared_backend.hpp"
#include "backends/shared_v2_backend.hpp"
#include "backends/socket_connection.hpp"
#include "backends/sysfs_registers.hpp"
#include "backends/v2_registers.hpp"
#include "base/deadline.hpp"
#include "base/wait_fds.hpp"
#include "discovery/discovery.hpp"
#include "discovery/permission.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// The begin of a connection to ivshmem-share.

namespace ivshmem {

using share_protocol::packet_kind;

namespace {

unique_fd connect_to_share(const std::string& path, std::chrono::steady_clock::time_point until,
                           failure& f) {
    int refused = 0;
    unique_fd fd = connect_to_socket("share", path, SOCK_SEQPACKET, until, refused, f);
    if (refused == EAGAIN)
        f.set(errc::timed_out, "{}: ivshmem-share accepts no connections; is it stopped?", path);
    else if (refused == EPROTOTYPE)
        f.set(errc::server_version, "{}: not ivshmem-share listens there, but another server",
              path);
    else if (refused != 0)
        f.set(errc::server_unreachable,
              "{}: ivshmem-share does not listen there ({}); try: systemctl start "
              "ivshmem-share@ADDRESS.socket, or remove the socket to open the device alone",
              path, std::strerror(refused));
    return fd;
}

std::error_code code_of(const share_protocol::packet& refusal) {
    if (refusal.other == 0 && refusal.value != 0)
        return make_error_code(static_cast<errc>(refusal.value));
    return {static_cast<int>(refusal.value), std::system_category()};
}

} // namespace

std::filesystem::path shared_backend::socket_of(const std::filesystem::path& root,
                                                const pci_address& address) {
    return root / "run/ivshmem/share" / to_string(address);
}

shared_backend::shared_backend(std::string path, std::chrono::milliseconds timeout)
    : path_{std::move(path)}, timeout_{timeout} {
    facts_.kind = backend_kind::shared;
}

std::unique_ptr<backend> shared_backend::open(const std::string& path,
                                              const std::optional<device_info>& info, bool trusted,
                                              const open_options& options, failure& f) {
    std::unique_ptr<shared_backend> opened{new shared_backend{path, options.timeout}};
    opened->socket_ = connect_to_share(path, deadline_after(options.timeout), f);
    if (!f && !trusted)
        opened->check_service(f);
    if (!f)
        opened->join(options, info, f);
    if (f)
        return nullptr;
    if (opened->v2_)
        return shared_v2_backend::open(std::move(opened), options, f);
    return opened;
}

/// The credentials are those of the process that listens, or of systemd if it does.
void shared_backend::check_service(failure& f) const {
    ucred service{};
    socklen_t size = sizeof service;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &service, &size) != 0)
        return f.set_errno(errno, "{}: SO_PEERCRED", path_);
    if (service.uid != 0 && service.uid != ::geteuid())
        f.set(
            errc::permission_denied,
            "{}: the service there is not root's, but that of user {}: it could give this process "
            "any memory; if you trust it, open share:{}",
            path_, service.uid, path_);
}

void shared_backend::join(const open_options& options, const std::optional<device_info>& info,
                          failure& f) {
    over_ = make_eventfd(path_, f);
    if (!f)
        pending_ = make_eventfd(path_, f);
    // A service that refuses may have closed the connection already; its refusal can be read.
    if (!f &&
        !share_protocol::send(socket_.get(),
                              {.what = packet_kind::join, .value = share_protocol::version}) &&
        errno != EPIPE && errno != ECONNRESET)
        f.set_errno(errno, "{}: cannot send to ivshmem-share", path_);
    const auto until = deadline_after(options.timeout);
    share_protocol::received next;
    while (!f && receive_one(next, until, f)) {
        switch (next.content.what) {
        case packet_kind::refused:
            f.set(code_of(next.content), share_protocol::get_text(next.content.text));
            break;
        case packet_kind::welcome:
            take_facts(next.content.device, info, options, f);
            if (!f)
                map_parts(next.content.device, std::move(next.fds), options, f);
            break;
        case packet_kind::vectors:
            take_vectors(next, f);
            break;
        default:
            handle(next.content);
            break;
        }
        if (f || ((memory_ || v2_) && vectors_.size() == facts_.capabilities.interrupts))
            break;
    }
    if (f)
        return;
    watched_ = std::make_unique<std::atomic<bool>[]>(vectors_.size()); // NOLINT
    attention_ = make_epoll(path_, std::array{socket_.get(), over_.get()}, f);
    if (!f)
        events_fd_ = make_epoll(path_, std::array{socket_.get(), pending_.get()}, f);
    update_pending();
}

void shared_backend::take_facts(const share_protocol::facts& device,
                                const std::optional<device_info>& info, const open_options& options,
                                failure& f) {
    if (device.id > 0xffff || device.interrupts > device.vectors ||
        device.vectors > share_protocol::most_vectors || device.memory == 0 ||
        device.cache > static_cast<std::uint32_t>(cache_mode::uncached) || memory_ || v2_)
        return f.set(errc::server_protocol,
                     "{}: ivshmem-share describes no device; is it another version?", path_);
    facts_.name = share_protocol::get_text(device.name);
    facts_.description = "shared, " + share_protocol::get_text(device.source);
    facts_.id = static_cast<std::uint16_t>(device.id);
    facts_.vectors = device.vectors;
    facts_.no_interrupts = share_protocol::get_text(device.no_interrupts);
    facts_.capabilities.ring = (device.flags & share_protocol::can_ring) != 0;
    facts_.capabilities.interrupts = device.interrupts;
    facts_.capabilities.removal_events = (device.flags & share_protocol::reports_removal) != 0;
    facts_.info = info;
    if (const auto address = parse_pci_address(facts_.name); address && !info) {
        failure unknown;
        for (const device_info& one : find_devices(options.root, unknown).devices)
            if (one.address == *address)
                facts_.info = one;
    }
    if (facts_.info) { // an ordinary user cannot read the capabilities
        facts_.info->type = device.vectors != 0 ? device_type::doorbell : device_type::plain;
        if (device.vectors != 0)
            facts_.info->vectors = device.vectors;
    }
}

void shared_backend::map_parts(const share_protocol::facts& device, std::vector<unique_fd> fds,
                               const open_options& options, failure& f) {
    const bool with_registers = (device.flags & share_protocol::has_registers) != 0;
    const bool is_v2 = (device.flags & share_protocol::is_v2) != 0;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    if (fds.size() != (with_registers ? 2U : 1U) || (is_v2 && !with_registers) ||
        is_shorter(fds[0].get(), static_cast<std::size_t>(device.memory)) ||
        device.register_offset > page - v2_registers::used_bytes || device.register_offset % 4 != 0)
        return f.set(errc::server_protocol,
                     "{}: ivshmem-share gave no memory of {} bytes; is it another version?", path_,
                     device.memory);
    const auto mode = static_cast<cache_mode>(device.cache);
    if (options.cache && *options.cache != mode)
        return f.set(errc::cache_mode_unavailable,
                     "{}: all programs that share the device map its memory {}, not {}; let the "
                     "library choose, or stop ivshmem-share",
                     facts_.name, to_string(mode), to_string(*options.cache));
    facts_.memory = {{}, mode, share_protocol::get_text(device.reason)};
    if (!is_v2)
        map_memory(device, fds[0].get(), options, f);
    if (!f && with_registers)
        map_registers(device, fds[1].get(), f);
    if (!f && is_v2)
        v2_ = {.layout = {device.state_table, device.read_write, device.output, {}},
               .protocol = static_cast<std::uint16_t>(device.v2_protocol),
               .memory = std::move(fds[0]),
               .registers = registers_in_page(bar0_, device.register_offset)};
}

void shared_backend::map_memory(const share_protocol::facts& device, int fd,
                                const open_options& options, failure& f) {
    const auto part = options.part.value_or(memory_region{0, device.memory});
    if (part.offset > device.memory || part.size > device.memory - part.offset || part.size == 0)
        return f.set(std::make_error_code(std::errc::invalid_argument),
                     formatted("{}: open_options::part: {} bytes from {:#x} on are no part of the "
                               "{} bytes of memory",
                               facts_.name, part.size, part.offset, device.memory));
    memory_ = mapping{fd, static_cast<std::size_t>(part.size), static_cast<off_t>(part.offset)};
    if (!memory_ && errno == EPERM)
        return f.set(errc::locked_down, "{}: mmap: kernel lockdown forbids shared devices",
                     facts_.name);
    if (!memory_)
        return f.set_errno(errno, "{}: memory of {} bytes: mmap", facts_.name, part.size);
    facts_.memory = {memory_.bytes(), facts_.memory.mode(), facts_.memory.reason()};
}

void shared_backend::map_registers(const share_protocol::facts& device, int fd, failure& f) {
    bar0_ = mapping{fd, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), 0};
    if (!bar0_)
        return f.set_errno(errno, "{}: registers: mmap", facts_.name);
    registers_ = registers{registers_in_page(bar0_, device.register_offset)};
    if (facts_.capabilities.ring)
        facts_.doorbell = registers_.mapped_doorbell();
}

void shared_backend::take_vectors(share_protocol::received& message, failure& f) {
    for (unique_fd& fd : message.fds) {
        if (!is_eventfd(fd.get()) || vectors_.size() == facts_.capabilities.interrupts)
            return f.set(errc::server_protocol,
                         "{}: ivshmem-share gave a vector that is none; is it another version?",
                         path_);
        vectors_.push_back(std::move(fd));
    }
    if (message.fds.empty())
        f.set(errc::server_protocol, "{}: ivshmem-share gave no vectors", path_);
}

} // namespace ivshmem
