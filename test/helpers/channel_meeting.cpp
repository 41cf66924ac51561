// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/channel_meeting.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <future>
#include <stdexcept>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace test {

using ivshmem::unique_fd;

namespace {

void must(bool holds, const char* what) {
    if (!holds)
        throw std::runtime_error{std::string{"meeting: "} + what + ": " + std::strerror(errno)};
}

} // namespace

meeting::meeting(std::size_t bytes) {
    std::string pattern = "/tmp/ivshmem-test-XXXXXX";
    must(::mkdtemp(pattern.data()) != nullptr, "mkdtemp");
    folder_ = pattern;
    path_ = folder_ + "/socket";
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    void* const raw = &address;
    must(::bind(listener_.get(), static_cast<sockaddr*>(raw), sizeof address) == 0, "bind");
    must(::listen(listener_.get(), 8) == 0, "listen");
    file_.reset(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    must(file_ && ::ftruncate(file_.get(), static_cast<off_t>(bytes)) == 0, "memfd");
    must(::fcntl(file_.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0, "F_ADD_SEALS");
    void* const base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    must(base != MAP_FAILED, "mmap"); // NOLINT: the macro is C's
    memory_ = {static_cast<std::byte*>(base), bytes};
}

meeting::~meeting() {
    ::munmap(memory_.data(), memory_.size());
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
}

void meeting::clear() {
    std::memset(memory_.data(), 0, memory_.size());
}

ivshmem::device meeting::join(std::uint16_t id, std::uint32_t vectors) {
    member added{id, {}, {}};
    for (std::uint32_t i = 0; i < vectors; ++i)
        added.vectors.emplace_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    auto greeted = std::async(std::launch::async, [&] { greet(added); });
    ivshmem::open_options options;
    options.vectors = vectors;
    auto opened = ivshmem::device::open(ivshmem::selector::server(path_), options);
    greeted.get();
    for (const auto& other : members_)
        for (const auto& vector : added.vectors)
            send(other.link, id, vector.get());
    members_.push_back(std::move(added));
    return opened;
}

void meeting::leave(std::uint16_t id) {
    std::erase_if(members_, [&](const member& m) { return m.id == id; });
    for (const auto& other : members_)
        send(other.link, id);
}

void meeting::greet(member& added) {
    added.link.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    must(static_cast<bool>(added.link), "accept");
    send(added.link, 0);
    send(added.link, added.id);
    send(added.link, -1, file_.get());
    for (const auto& other : members_)
        for (const auto& vector : other.vectors)
            send(added.link, other.id, vector.get());
    for (const auto& vector : added.vectors)
        send(added.link, added.id, vector.get());
}

void meeting::send(const unique_fd& link, std::int64_t value, int fd) {
    std::array<unsigned char, 8> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes.at(i) = static_cast<unsigned char>(static_cast<std::uint64_t>(value) >> (8 * i));
    iovec piece{bytes.data(), bytes.size()};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    std::array<unsigned char, CMSG_SPACE(sizeof fd)> control{};
    if (fd >= 0) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* const part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
    }
    must(::sendmsg(link.get(), &header, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()),
         "sendmsg");
}

} // namespace test
