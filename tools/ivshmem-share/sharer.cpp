// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "sharer.hpp"

#include "base/text.hpp"
#include "service/log.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

// The connections; sharer_slots.cpp has their slots, sharer_device.cpp what the device does.

namespace ivshmem_share {

using boost::system::error_code;
namespace asio = boost::asio;
namespace protocol = ivshmem::share_protocol;
using protocol::packet_kind;

namespace {

constexpr std::chrono::seconds accept_again{1};

} // namespace

void sharer::accept() {
    listening_.async_wait(descriptor::wait_read, [this](const error_code& ec) {
        if (ec == asio::error::operation_aborted || !listening_.is_open())
            return;
        ivshmem::unique_fd socket{
            ::accept4(listening_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
        if (socket) {
            accept_paused_ = false;
            accepted(std::move(socket));
        } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            // EMFILE, ENFILE or ENOMEM: the connection stays pending, so an immediate retry would
            // fail too.
            if (!std::exchange(accept_paused_, true))
                service::log::error("cannot accept a connection: {}; trying again every second",
                                    std::error_code{errno, std::system_category()}.message());
            accept_pause_.expires_after(accept_again);
            accept_pause_.async_wait([this](const error_code& cancelled) {
                if (!cancelled)
                    accept();
            });
            return;
        }
        accept();
    });
}

/// Names the process with the most connections: a list of all needs one more.
std::string sharer::most_frequent() const {
    std::map<pid_t, std::size_t> counts;
    const program* found = nullptr;
    for (const program_ptr& p : programs_)
        if (const auto count = ++counts[p->process.pid];
            found == nullptr || count > counts[found->process.pid])
            found = p.get();
    return ivshmem::formatted("{} of them process {}", counts[found->process.pid], found->label());
}

std::string sharer::no_room(const program& p) const {
    if (programs_.size() >= most_.programs)
        return ivshmem::formatted("{} programs share the device, the most allowed, {}: end one, or "
                                  "raise the limit of ivshmem-share (--max-programs)",
                                  programs_.size(), most_frequent());
    const auto same_user = [&](const program_ptr& other) {
        return other->process.uid == p.process.uid;
    };
    const auto of_user = std::count_if(programs_.begin(), programs_.end(), same_user);
    if (most_.programs_per_user == 0 || static_cast<std::size_t>(of_user) < most_.programs_per_user)
        return {};
    return ivshmem::formatted("{} programs of uid {} share the device, the most allowed: end one, "
                              "or raise the limit of ivshmem-share (--max-programs-per-user)",
                              of_user, p.process.uid);
}

void sharer::accepted(ivshmem::unique_fd socket) {
    auto from = service::peer_process::of(socket.get());
    const auto p = std::make_shared<program>(descriptor{io_, socket.release()}, std::move(from));
    p->number = next_number_++;
    if (const std::string reason = no_room(*p); !reason.empty())
        return refuse(p, std::errc::device_or_resource_busy, reason);
    programs_.push_back(p);
    read(p);
}

void sharer::refuse(const program_ptr& p, std::errc why, const std::string& message) {
    service::log::error("refused {}: {}", p->process.name, message);
    protocol::packet answer{
        .what = packet_kind::refused, .value = static_cast<std::uint32_t>(why), .other = 1};
    protocol::put_text(answer.text, ivshmem::formatted("{}: {}", device_.name(), message));
    protocol::send(p->socket(), answer);
    drop(p, "refused");
}

void sharer::read(const program_ptr& p) {
    p->connection.async_wait(descriptor::wait_read, [this, p](const error_code& ec) {
        if (p->gone || ec == asio::error::operation_aborted)
            return;
        protocol::packet packet;
        // One packet at a time, so that a program that never stops sending delays no other.
        switch (protocol::receive_bare(p->socket(), packet)) {
        case protocol::arrival::packet:
            handle(p, packet);
            break;
        case protocol::arrival::none:
            break;
        case protocol::arrival::closed:
            drop(p, "it closed the connection");
            break;
        case protocol::arrival::malformed:
            drop(p, "it sent no packet of this protocol");
            break;
        case protocol::arrival::failed:
            drop(p, std::error_code{errno, std::system_category()}.message());
            break;
        }
        if (!p->gone)
            read(p);
    });
}

void sharer::handle(const program_ptr& p, const protocol::packet& packet) {
    if (packet.what == packet_kind::join && !p->joined)
        return join(p, packet.value);
    if (!p->joined)
        return drop(p, "it sent something else than a join");
    switch (packet.what) {
    case packet_kind::watch:
        if (packet.value >= p->vectors.size())
            return drop(p, "it waits for a vector that the device does not have");
        vectors_.watch(*p, packet.value);
        write_state();
        break;
    case packet_kind::ring:
        if ((device_.facts().flags & protocol::can_ring) != 0) {
            ivshmem::failure in_vain;
            device_.backend().ring(static_cast<std::uint16_t>(packet.value >> 16U),
                                   static_cast<std::uint16_t>(packet.value), in_vain);
        }
        break;
    case packet_kind::take_slot:
        take_slot(p, packet.value);
        break;
    case packet_kind::give_slot:
        give_slot(*p, packet.value);
        send(p, {.what = packet_kind::given, .value = packet.value});
        break;
    case packet_kind::list:
        list(p);
        break;
    default:
        drop(p, "it sent a packet that no program sends");
        break;
    }
}

void sharer::join(const program_ptr& p, std::uint32_t version) {
    if (version != protocol::version)
        return refuse(p, std::errc::protocol_not_supported,
                      ivshmem::formatted("the program speaks version {} of ivshmem-share's "
                                         "protocol, not {}: restart both after an upgrade",
                                         version, protocol::version));
    if (device_lost_)
        return refuse(p, std::errc::no_such_device, "the device is being removed");
    ivshmem::failure f;
    vectors_.add(p, f);
    if (f)
        return refuse(p, std::errc::too_many_files_open, f.message());
    p->joined = true;
    service::log::info("program {} joined: uid {}", p->label(), p->process.uid);
    protocol::packet welcome{.what = packet_kind::welcome};
    welcome.device = device_.facts();
    send(p, welcome, device_.parts());
    send_vectors(p);
    if (p->gone)
        return;
    keep(*p);
    write_state();
}

void sharer::send_vectors(const program_ptr& p) {
    std::vector<int> some;
    for (std::size_t next = 0; next < p->vectors.size() && !p->gone; next += some.size()) {
        some.clear();
        for (std::size_t i = next; i < p->vectors.size() && some.size() < protocol::most_fds; ++i)
            some.push_back(p->vectors[i].eventfd.get());
        send(p, {.what = packet_kind::vectors, .value = static_cast<std::uint32_t>(next)}, some);
    }
}

void sharer::list(const program_ptr& to) {
    if (to->asked)
        return drop(to, "it does not read the list that it asks for");
    to->asked = {.next = 0, .end = next_number_};
    go_on_listing(to);
}

/// Sends as much of the list as a socket holds, and the rest when the program has read it.
void sharer::go_on_listing(const program_ptr& to) {
    const auto fits = [&](const protocol::packet& packet) {
        if (protocol::send(to->socket(), packet))
            return true;
        if (errno != EAGAIN) {
            drop(to,
                 "cannot send to it: " + std::error_code{errno, std::system_category()}.message());
            return false;
        }
        to->connection.async_wait(descriptor::wait_write, [this, to](const error_code& ec) {
            if (!to->gone && !ec)
                go_on_listing(to);
        });
        return false;
    };
    for (const program_ptr& p : programs_) {
        if (!p->joined || p->number < to->asked->next || p->number >= to->asked->end)
            continue;
        protocol::packet one{.what = packet_kind::program,
                             .value = static_cast<std::uint32_t>(p->process.pid),
                             .other = p->process.uid};
        protocol::put_text(one.text, p->use());
        if (!fits(one))
            return; // the list of programs may be another one now
        to->asked->next = p->number + 1;
    }
    if (fits({.what = packet_kind::end}))
        to->asked.reset();
}

void sharer::send(const program_ptr& p, const protocol::packet& packet, std::span<const int> fds) {
    if (p->gone || protocol::send(p->socket(), packet, fds))
        return;
    const int number = errno;
    drop(p, number == EAGAIN ? "it does not read"
                             : "cannot send to it: " +
                                   std::error_code{number, std::system_category()}.message());
}

void sharer::drop(const program_ptr& p, const std::string& why) {
    if (std::exchange(p->gone, true))
        return;
    if (p->joined)
        service::log::info("program {} left: {}", p->label(), why);
    take_back_slots(*p);
    vectors_.remove(p);
    if (p->joined)
        forget(*p);
    p->vectors.clear();
    error_code ignored;
    p->connection.close(ignored);
    std::erase(programs_, p);
    write_state();
    if (device_lost_ && programs_.empty())
        stop();
}

} // namespace ivshmem_share
