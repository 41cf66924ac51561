// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/end_point.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace connections {
namespace {

int duplicate(int fd) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        throw std::system_error{errno, std::system_category(), "duplicating a descriptor"};
    return copy;
}

/// Makes a descriptor non-blocking. Returns the flags to restore.
int make_non_blocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0)
        ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return flags;
}

/// Closes what a descriptor leads to, so that its reader sees the end while this process lives. A
/// file that is opened later does not get the number.
void lead_nowhere(int fd) {
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0)
        return;
    ::dup2(nowhere, fd);
    ::close(nowhere);
}

} // namespace

end_point end_point::of_socket(const executor& on, int socket) {
    end_point made{descriptor{on, socket}, std::nullopt};
    make_non_blocking(socket);
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;
    ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    made.is_unix_ = domain == AF_UNIX;
    return made;
}

end_point end_point::of_streams(const executor& on, int input, int output) {
    descriptor in{on, duplicate(input)};
    end_point made{std::move(in), descriptor{on, duplicate(output)}};
    made.input_flags_ = make_non_blocking(made.input_.native_handle());
    made.output_flags_ = make_non_blocking(made.output_->native_handle());
    made.lent_output_ = output;
    return made;
}

end_point::end_point(end_point&& other) noexcept
    : input_{std::move(other.input_)}, output_{std::move(other.output_)}, is_unix_{other.is_unix_},
      input_flags_{std::exchange(other.input_flags_, -1)},
      output_flags_{std::exchange(other.output_flags_, -1)}, lent_output_{std::exchange(
                                                                 other.lent_output_, -1)} {}

end_point::~end_point() {
    close(false);
}

ssize_t end_point::read(std::span<std::byte> into) {
    ssize_t got = -1;
    // A UNIX socket reports once that its peer closed without reading all; what the peer wrote
    // before is still there.
    do
        got = is_socket() ? ::recv(input_.native_handle(), into.data(), into.size(), MSG_DONTWAIT)
                          : ::read(input_.native_handle(), into.data(), into.size());
    while (got < 0 && (errno == EINTR || (is_unix_ && errno == ECONNRESET)));
    return got;
}

ssize_t end_point::write(std::span<const std::byte> bytes) {
    ssize_t put = -1;
    do
        put = is_socket() ? ::send(input_.native_handle(), bytes.data(), bytes.size(),
                                   MSG_DONTWAIT | MSG_NOSIGNAL)
                          : ::write(output_->native_handle(), bytes.data(), bytes.size());
    while (put < 0 && errno == EINTR);
    if (put < 0 && is_unix_ && errno == ECONNRESET)
        errno = EPIPE;
    return put;
}

void end_point::finish_output() {
    if (is_socket()) {
        ::shutdown(input_.native_handle(), SHUT_WR);
        return;
    }
    if (output_flags_ >= 0)
        ::fcntl(output_->native_handle(), F_SETFL, std::exchange(output_flags_, -1));
    // A socket that is the input too stays open; otherwise the call fails.
    ::shutdown(output_->native_handle(), SHUT_WR);
    boost::system::error_code ignored;
    output_->close(ignored);
    if (lent_output_ >= 0)
        lead_nowhere(std::exchange(lent_output_, -1));
}

void end_point::close(bool abort) {
    boost::system::error_code ignored;
    if (is_socket() && input_.is_open() && abort) {
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(input_.native_handle(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    if (output_ && output_->is_open())
        finish_output();
    if (input_flags_ >= 0)
        ::fcntl(input_.native_handle(), F_SETFL, std::exchange(input_flags_, -1));
    input_.close(ignored);
}

} // namespace connections
