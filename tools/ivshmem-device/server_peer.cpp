// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "server_peer.hpp"

#include "backends/server_connection.hpp"
#include "base/wait_fds.hpp"
#include "service/log.hpp"

#include <bit>
#include <chrono>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

namespace ivshmem_device {

using boost::system::error_code;
using ivshmem::errc;
using ivshmem::failure;
using ivshmem::unique_fd;
namespace protocol = ivshmem::server_protocol;

namespace {

constexpr std::chrono::seconds greeting_limit{4};

/// The messages that are taken at once, so that one server cannot delay the VMs of others.
constexpr int most_messages = 256;

} // namespace

server_peer::server_peer(boost::asio::io_context& io, std::string path, unsigned vectors,
                         std::string name)
    : io_{io}, path_{std::move(path)}, vectors_{vectors}, name_{std::move(name)}, limit_{io},
      socket_{io} {}

void server_peer::join(joined done) {
    done_ = std::move(done);
    failure f;
    unique_fd fd = ivshmem::connect_to_server(path_, std::chrono::steady_clock::now(), f);
    if (f)
        return finish(f);
    socket_.assign(fd.release());
    limit_.expires_after(greeting_limit);
    limit_.async_wait([self = shared_from_this()](const error_code& cancelled) {
        if (cancelled || self->closed_ || !self->done_)
            return;
        failure late;
        late.set(errc::timed_out,
                 "{}: the ivshmem server sent no whole greeting within {} s; is it an ivshmem "
                 "server, and is it running?",
                 self->path_, greeting_limit.count());
        self->finish(late);
    });
    read();
}

void server_peer::close() {
    if (std::exchange(closed_, true))
        return;
    error_code ignored;
    limit_.cancel();
    socket_.close(ignored);
    for (const auto& own : own_)
        own->close(ignored);
    device_ = nullptr;
    done_ = nullptr;
}

void server_peer::finish(const failure& f) {
    limit_.cancel();
    if (const joined done = std::exchange(done_, nullptr))
        done(f);
}

void server_peer::read() {
    socket_.async_wait(descriptor::wait_read, [self = shared_from_this()](const error_code& ec) {
        if (ec || self->closed_)
            return;
        failure f;
        self->take_all(f);
        if (self->closed_)
            return;
        if (!f) {
            self->read();
            return;
        }
        error_code ignored;
        self->socket_.close(ignored);
        if (self->done_)
            self->finish(f);
        else
            service::log::error("{}: {}; it keeps its memory, and sees no peer join or leave any "
                                "more",
                                self->name_, f.message());
    });
}

void server_peer::take_all(failure& f) {
    for (int i = 0; i < most_messages && !f && !closed_; ++i) {
        auto m = receiver_.next(socket_.native_handle(), path_.c_str(), f);
        if (!m || f)
            return;
        take(std::move(*m), f);
    }
}

void server_peer::take(protocol::message m, failure& f) {
    const bool has_fd = static_cast<bool>(m.fd);
    if (!has_version_) {
        if (m.value != protocol::version || has_fd)
            return f.set(errc::server_version, "{}: no ivshmem server of protocol {}", path_,
                         protocol::version);
        has_version_ = true;
        return;
    }
    if (m.value == protocol::shared_memory && has_fd && id_ && !memory_) {
        take_memory(std::move(m.fd), f);
        if (!f)
            finish(f);
        return;
    }
    if (m.value < 0 || m.value > protocol::max_id || (!memory_ && id_))
        return f.set(errc::server_protocol,
                     "{}: the server sent {} {} a descriptor, which the protocol does not allow "
                     "here",
                     path_, m.value, has_fd ? "with" : "without");
    const auto id = static_cast<std::uint16_t>(m.value);
    if (!id_ && !has_fd)
        id_ = id;
    else if (!id_ || (!has_fd && id == *id_))
        f.set(errc::server_protocol, "{}: the server sent no id, or took it back", path_);
    else if (has_fd)
        add_vector(id, std::move(m.fd), f);
    else
        peers_.erase(id);
}

void server_peer::take_memory(unique_fd fd, failure& f) {
    struct stat now {};
    if (::fstat(fd.get(), &now) != 0 || !S_ISREG(now.st_mode) || now.st_size <= 0)
        return f.set(errc::server_protocol,
                     "{}: the server sent shared memory that is no file with bytes in it", path_);
    const auto size = static_cast<std::uint64_t>(now.st_size);
    if (!std::has_single_bit(size))
        return f.set(errc::server_protocol,
                     "{}: the server's memory has {} bytes, and a BAR must be a power of two; give "
                     "the server such a size",
                     path_, size);
    memory_ = shared_memory::adopt(std::move(fd), size);
}

void server_peer::add_vector(std::uint16_t peer_id, unique_fd fd, failure& f) {
    if (!ivshmem::is_eventfd(fd.get()))
        return f.set(errc::server_protocol,
                     "{}: the server sent a vector of peer {} that is no eventfd", path_, peer_id);
    if (peer_id != *id_) {
        peers_[peer_id].push_back(std::move(fd));
        return;
    }
    // Also for rings of its own.
    unique_fd own{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)};
    if (!own)
        return f.set_errno(errno, "{}: cannot duplicate an eventfd", path_);
    peers_[peer_id].push_back(std::move(own));
    if (own_.size() == vectors_)
        return;
    own_.push_back(std::make_unique<descriptor>(io_, fd.release()));
    if (device_ != nullptr)
        watch(static_cast<unsigned>(own_.size() - 1));
}

void server_peer::watch(unsigned vector) {
    own_[vector]->async_wait(
        descriptor::wait_read, [self = shared_from_this(), vector](const error_code& ec) {
            if (ec || self->closed_)
                return;
            if (ivshmem::take_eventfd(self->own_[vector]->native_handle()) != 0)
                self->device_->interrupt(static_cast<std::uint16_t>(vector));
            self->watch(vector);
        });
}

void server_peer::set_device(peer& device) {
    device_ = &device;
    for (unsigned vector = 0; vector < own_.size(); ++vector)
        watch(vector); // a ring that came before is still in its eventfd
}

void server_peer::ring(std::uint16_t target, std::uint16_t vector) {
    const auto found = peers_.find(target);
    if (found != peers_.end() && vector < found->second.size())
        writer_.signal(found->second[vector].get());
}

server_membership::server_membership(std::shared_ptr<server_peer> at, peer& device)
    : at_{std::move(at)} {
    at_->set_device(device);
}

server_membership::~server_membership() {
    at_->close();
}

void server_membership::ring(std::uint16_t target, std::uint16_t vector) {
    at_->ring(target, vector);
}

} // namespace ivshmem_device
