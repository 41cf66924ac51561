// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/address.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

namespace connections {

address address::parse(const std::string& text) {
    address made;
    made.text_ = text;
    if (text.starts_with("unix:")) {
        sockaddr_un local{};
        const std::string path = text.substr(5);
        if (path.empty() || path.size() >= sizeof local.sun_path)
            throw std::invalid_argument{text + ": a path has 1 to 107 bytes"};
        local.sun_family = AF_UNIX;
        std::memcpy(local.sun_path, path.c_str(), path.size() + 1);
        std::memcpy(&made.storage_, &local, sizeof local);
        made.size_ = sizeof local;
        return made;
    }
    const auto colon = text.rfind(':');
    if (!text.starts_with("tcp:") || colon < 5)
        throw std::invalid_argument{
            text + ": is no address; use tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH"};
    std::string host = text.substr(4, colon - 4);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(host.c_str(), text.c_str() + colon + 1, &hints, &found);
    if (failed != 0)
        throw std::invalid_argument{text + ": " + ::gai_strerror(failed)};
    std::memcpy(&made.storage_, found->ai_addr, found->ai_addrlen);
    made.size_ = found->ai_addrlen;
    ::freeaddrinfo(found);
    return made;
}

void address::connect(const boost::asio::any_io_executor& on,
                      std::function<void(int, std::error_code)> done) const {
    const auto fail = [&](int number) {
        done(-1, {number, std::system_category()});
    };
    const int fd = ::socket(storage_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(errno);
    if (storage_.ss_family != AF_UNIX) {
        const int yes = 1; // a forwarder sends what it has
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&storage_), size_) == 0)
        return done(fd, {});
    if (errno != EINPROGRESS) {
        const int number = errno;
        ::close(fd);
        return fail(number);
    }
    using descriptor = boost::asio::posix::stream_descriptor;
    const auto waiting = std::make_shared<descriptor>(on, fd);
    waiting->async_wait(descriptor::wait_write, [waiting, done = std::move(done)](
                                                    const boost::system::error_code& ec) {
        if (ec)
            return;
        int number = 0;
        socklen_t size = sizeof number;
        ::getsockopt(waiting->native_handle(), SOL_SOCKET, SO_ERROR, &number, &size);
        if (number != 0)
            return done(-1, {number, std::system_category()});
        done(waiting->release(), {});
    });
}

} // namespace connections
