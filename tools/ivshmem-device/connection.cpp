// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connection.hpp"

#include <boost/asio/post.hpp>

#include <chrono>
#include <utility>

#include <poll.h>

namespace ivshmem_device {

using boost::system::error_code;
using ivshmem::failure;

namespace {

/// QEMU sends its version at once. A client that waits for a greeting must not keep the VM out.
constexpr std::chrono::seconds version_limit{10};

/// The requests that are answered at once, so that a VM that never stops cannot delay the others.
constexpr int most_requests = 64;

} // namespace

connection::connection(socket_type socket, ended when_ended)
    : socket_{std::move(socket)}, limit_{socket_.get_executor()}, ended_{std::move(when_ended)} {}

void connection::start(std::unique_ptr<function> device) {
    device_ = std::move(device);
    session_ = std::make_unique<session>(*device_);
    limit_.expires_after(version_limit);
    limit_.async_wait([self = shared_from_this()](const error_code& cancelled) {
        if (cancelled || self->closed_ || self->session_->is_open())
            return;
        self->end(ivshmem::formatted(
            "it sent no version for {} s: it is no vfio-user client (QEMU has one since 10.1, "
            "vfio-user-pci; its ivshmem-doorbell needs ivshmem-server)",
            version_limit.count()));
    });
    read();
}

void connection::close() {
    if (std::exchange(closed_, true))
        return;
    error_code ignored;
    limit_.cancel();
    socket_.close(ignored);
    session_.reset();
    device_.reset();
    ended_ = nullptr;
}

void connection::end(const std::string& why) {
    const ended callback = std::move(ended_);
    close();
    if (callback)
        callback(why);
}

bool connection::is_hung_up() {
    pollfd entry{socket_.native_handle(), POLLRDHUP, 0};
    return ivshmem::retry_eintr([&] { return ::poll(&entry, 1, 0); }) > 0;
}

void connection::read() {
    socket_.async_wait(socket_type::wait_read, [self = shared_from_this()](const error_code& ec) {
        if (!ec && !self->closed_)
            self->answer_pending();
    });
}

void connection::write() {
    socket_.async_wait(socket_type::wait_write, [self = shared_from_this()](const error_code& ec) {
        if (!ec && !self->closed_)
            self->answer_pending();
    });
}

void connection::answer_pending() {
    failure f;
    const int fd = socket_.native_handle();
    for (int i = 0; i < most_requests; ++i) {
        if (!writer_.flush(fd, f))
            return f ? end(f.message()) : write();
        auto request = reader_.next(fd, f);
        if (f)
            return end(f.message());
        if (!request)
            return read();
        answer a = session_->handle(std::move(*request), f);
        if (f)
            return end(f.message());
        writer_.begin(std::move(a));
    }
    boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
        if (!self->closed_)
            self->answer_pending();
    });
}

} // namespace ivshmem_device
