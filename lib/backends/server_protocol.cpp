// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/server_protocol.hpp"

#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <sys/uio.h>

namespace ivshmem::server_protocol {

namespace {

/// The most descriptors that Linux sends with one message (SCM_MAX_FD). With room for all of them,
/// a truncated control message can only mean that no descriptor number is free.
constexpr std::size_t most_descriptors = 253;

struct descriptors {
    unique_fd first;
    std::size_t count = 0;
};

/// Takes the descriptors that came with a message: keeps the first, closes the others.
descriptors take_descriptors(msghdr& header) {
    descriptors taken;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        const std::size_t end = part->cmsg_len - CMSG_LEN(0);
        for (std::size_t at = 0; at + sizeof(int) <= end; at += sizeof(int)) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(part) + at, sizeof number);
            unique_fd fd{number};
            if (taken.count++ == 0)
                taken.first = std::move(fd);
        }
    }
    return taken;
}

} // namespace

bool send(int socket, std::int64_t value, int fd, std::error_code& ec) {
    ec.clear();
    std::array<unsigned char, message_size> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<unsigned char>(static_cast<std::uint64_t>(value) >> (8 * i));

    iovec piece{bytes.data(), bytes.size()};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> control{};
    if (fd != -1) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* const part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
    }

    const ssize_t sent =
        retry_eintr([&] { return ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (sent == static_cast<ssize_t>(bytes.size()))
        return true;
    if (sent >= 0)
        ec = std::make_error_code(std::errc::message_size);
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
        ec.assign(errno, std::system_category());
    return false;
}

receiver::progress receiver::fill(int socket, const char* name, failure& f) {
    // Never reads beyond the current message, so a descriptor can only belong to this one.
    iovec piece{bytes_.data() + have_, bytes_.size() - have_};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(most_descriptors * sizeof(int))>
        control; // only the kernel writes it
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();

    const ssize_t got =
        retry_eintr([&] { return ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); });
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return progress::none;
    if (got < 0 && errno != ECONNRESET) {
        f.set_errno(errno, "{}: cannot receive from the ivshmem server", name);
        return progress::none;
    }
    if (got <= 0) {
        if (have_ == 0)
            f.set(errc::server_closed,
                  "{}: the ivshmem server closed the connection; see its log, and connect again",
                  name);
        else
            f.set(errc::server_protocol,
                  "{}: the ivshmem server closed the connection after {} of a message's {} bytes; "
                  "see its log, and connect again",
                  name, have_, bytes_.size());
        return progress::none;
    }
    have_ += static_cast<std::size_t>(got);

    descriptors arrived = take_descriptors(header);
    if (arrived.count + (fd_ ? 1U : 0U) > 1) {
        f.set(errc::server_protocol,
              "{}: more than one descriptor came with a message; is that an ivshmem server?", name);
        return progress::none;
    }
    if ((header.msg_flags & MSG_CTRUNC) != 0) {
        f.set(errc::descriptor_limit,
              "{}: a descriptor from the ivshmem server was lost, because this process has none "
              "free; raise the limit (ulimit -n, LimitNOFILE=) and connect again",
              name);
        return progress::none;
    }
    if (arrived.first)
        fd_ = std::move(arrived.first);
    return have_ == bytes_.size() ? progress::whole : progress::part;
}

std::optional<message> receiver::next(int socket, const char* name, failure& f) {
    progress made = progress::part;
    while (made == progress::part)
        made = fill(socket, name, f);
    if (made == progress::none)
        return std::nullopt;

    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes_.size(); ++i)
        value |= std::uint64_t{bytes_[i]} << (8 * i);
    have_ = 0;
    return message{static_cast<std::int64_t>(value), std::move(fd_)};
}

} // namespace ivshmem::server_protocol
