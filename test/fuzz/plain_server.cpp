// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "plain_server.hpp"

#include "backends/server_protocol.hpp"
#include "must_hold.hpp"

#include <cstdlib>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace test {

namespace protocol = ivshmem::server_protocol;
using ivshmem::unique_fd;

namespace {

constexpr off_t memory_size = 16384;
constexpr int vectors = 2;

void send(const unique_fd& link, std::int64_t value, int fd = -1) {
    std::error_code ec;
    must_hold(protocol::send(link.get(), value, fd, ec), "the greeting has room");
}

void send_vectors(const unique_fd& link, std::uint16_t id) {
    for (int i = 0; i < vectors; ++i)
        send(link, id, unique_fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}.get());
}

} // namespace

plain_server::plain_server() {
    std::string pattern = "/tmp/ivshmem-fuzz-XXXXXX";
    must_hold(::mkdtemp(pattern.data()) != nullptr, "there is room for a folder");
    folder_ = pattern;
    path_ = folder_ + "/socket";
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    void* const raw = &address;
    must_hold(::bind(listener_.get(), static_cast<sockaddr*>(raw), sizeof address) == 0 &&
                  ::listen(listener_.get(), 8) == 0,
              "the socket listens");
}

plain_server::~plain_server() {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
}

unique_fd plain_server::greet(std::uint16_t id, const std::vector<std::uint16_t>& others) const {
    unique_fd link{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    must_hold(static_cast<bool>(link), "a client connects");
    const unique_fd memory{::memfd_create("test", MFD_CLOEXEC)};
    must_hold(::ftruncate(memory.get(), memory_size) == 0, "there is memory");
    send(link, protocol::version);
    send(link, id);
    send(link, protocol::shared_memory, memory.get());
    for (const std::uint16_t other : others)
        send_vectors(link, other);
    send_vectors(link, id);
    return link;
}

void send_piece(int socket, std::span<const unsigned char> bytes, std::span<const int> fds) {
    std::vector<unsigned char> copy(bytes.begin(), bytes.end());
    iovec piece{copy.data(), copy.size()};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    std::vector<unsigned char> control(CMSG_SPACE(fds.size_bytes()));
    if (!fds.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* const part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(part), fds.data(), fds.size_bytes());
    }
    static_cast<void>(::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT));
}

} // namespace test
