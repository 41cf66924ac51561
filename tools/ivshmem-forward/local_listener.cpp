// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "local_listener.hpp"

#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "service/log.hpp"
#include "service/peer_process.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace ivshmem_forward {
namespace {

using ivshmem::failure;
namespace net = boost::asio;

/// Clients after which other handlers run.
constexpr int share = 64;
/// After this time, descriptors or memory may be free again.
constexpr std::chrono::seconds while_full{1};

const sockaddr* generic(const sockaddr_storage& storage) {
    return reinterpret_cast<const sockaddr*>(&storage);
}

/// Returns "127.0.0.1:80" or "[::1]:80".
std::string name_of(const sockaddr_storage& storage, socklen_t size) {
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    if (::getnameinfo(generic(storage), size, host.data(), host.size(), port.data(), port.size(),
                      NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "unknown client";
    const bool v6 = storage.ss_family == AF_INET6;
    return ivshmem::formatted("{}{}{}:{}", v6 ? "[" : "", host.data(), v6 ? "]" : "", port.data());
}

const char* advice(int number) {
    switch (number) {
    case EADDRINUSE:
        return "another program listens there, which \"ss -lntp\" names; end it, or choose another "
               "port";
    case EADDRNOTAVAIL:
        return "no interface has that address; \"ip address\" lists those that are there";
    case EAFNOSUPPORT:
        return "this kernel has no such addresses; use tcp:127.0.0.1:PORT or unix:PATH";
    case EACCES:
    case EPERM:
        return "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher one";
    default:
        return "choose another address";
    }
}

void be_usual(int fd) {
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); // a forwarder sends what it has
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes); // a client may be switched off
}

} // namespace

local_listener::local_listener(const net::any_io_executor& on, const listened& asked, failure& f)
    : on_{on}, name_{asked.at.text()}, pause_{on} {
    if (!asked.at.path().empty()) {
        listen_at_path(asked, f);
        return;
    }
    failure last;
    for (const auto& at : asked.at.places()) {
        failure one;
        listen_at(at, asked, one);
        if (!one)
            continue;
        // A name may have addresses of a kind that this machine lacks.
        if (one.code() != std::errc::address_family_not_supported &&
            one.code() != std::errc::address_not_available) {
            f = one;
            return;
        }
        if (asked.at.places().size() > 1)
            service::log::info("{}", one.message());
        last = one;
    }
    if (sockets_.empty())
        f = last;
}

void local_listener::listen_at_path(const listened& asked, failure& f) {
    const std::string path{asked.at.path()};
    file_.emplace(service::listener::open(path, f, SOCK_STREAM, "--listen"));
    if (!f && asked.mode && ::chmod(path.c_str(), *asked.mode) != 0)
        f.set_errno(errno, "{}: cannot set the mode of the socket", path);
    if (f)
        return f.set(f.code(), asked.where + ": " + f.message());
    const int fd = file_->release();
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    sockets_.emplace_back(on_, fd);
}

void local_listener::listen_at(const connections::address::place& at, const listened& asked,
                               failure& f) {
    const auto failed = [&](int number) {
        f.set({number, std::system_category()},
              ivshmem::formatted("{}: {}: cannot listen at {}: {}; {}", asked.where, name_,
                                 name_of(at.storage, at.size), std::strerror(number),
                                 advice(number)));
    };
    ivshmem::unique_fd fd{
        ::socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd)
        return failed(errno);
    const int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (at.storage.ss_family == AF_INET6) // both kinds may listen at one port
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (::bind(fd.get(), generic(at.storage), at.size) != 0 || ::listen(fd.get(), SOMAXCONN) != 0)
        return failed(errno);
    sockets_.emplace_back(on_, fd.release());
}

void local_listener::start(on_client accepted) {
    accepted_ = std::move(accepted);
    for (auto& one : sockets_)
        wait(one);
}

void local_listener::close() {
    pause_.cancel();
    for (auto& one : sockets_)
        one.close();
    file_.reset();
}

void local_listener::wait(descriptor& on) {
    on.async_wait(net::posix::descriptor_base::wait_read,
                  [this, &on](const boost::system::error_code& ec) {
                      if (!ec && on.is_open())
                          accept(on);
                  });
}

void local_listener::accept(descriptor& on) {
    for (int n = 0; n < share && on.is_open(); ++n) {
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        const int fd = ::accept4(on.native_handle(), reinterpret_cast<sockaddr*>(&from), &size,
                                 SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            if (from.ss_family != AF_UNIX)
                be_usual(fd);
            accepted_(fd, from.ss_family == AF_UNIX ? service::peer_process::of(fd).name
                                                    : name_of(from, size));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            return pause(on, errno);
        } else if (errno == EAGAIN) {
            break;
        } // else the client has left
    }
    if (on.is_open())
        wait(on);
}

void local_listener::pause(descriptor& on, int number) {
    service::log::error(
        "{}: cannot accept a client: {}; others wait; raise the limit of open files "
        "(LimitNOFILE=), or lower --connections",
        name_, std::strerror(number));
    paused_.push_back(&on);
    if (paused_.size() > 1) // the others' time is its own too
        return;
    pause_.expires_after(while_full);
    pause_.async_wait([this](const boost::system::error_code& ec) {
        for (descriptor* const one : std::exchange(paused_, {}))
            if (!ec && one->is_open())
                wait(*one);
    });
}

} // namespace ivshmem_forward
