// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/share_protocol.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <sys/socket.h>
#include <sys/uio.h>

namespace ivshmem::share_protocol {

static_assert(std::is_trivially_copyable_v<packet>);

void put_text(std::span<char> into, std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), into.size() - 1);
    std::copy_n(text.begin(), size, into.begin());
    std::fill(into.begin() + static_cast<std::ptrdiff_t>(size), into.end(), '\0');
}

std::string get_text(std::span<const char> from) {
    return {from.begin(), std::find(from.begin(), from.end(), '\0')};
}

bool send(int socket, const packet& p, std::span<const int> fds) noexcept {
    packet copy = p;
    iovec piece{&copy, sizeof copy};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(most_fds * sizeof(int))> control{};
    if (!fds.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* const part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(part), fds.data(), fds.size_bytes());
    }
    return retry_eintr([&] { return ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT); }) ==
           static_cast<ssize_t>(sizeof copy);
}

namespace {

/// Moves the descriptors of a message into the list. All of them, so that none stays open.
void take_all(msghdr& header, std::vector<unique_fd>& fds) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        const std::size_t end = part->cmsg_len - CMSG_LEN(0);
        for (std::size_t at = 0; at + sizeof(int) <= end; at += sizeof(int)) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(part) + at, sizeof number);
            fds.emplace_back(number);
        }
    }
}

arrival judge(ssize_t got, int flags) noexcept {
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return arrival::none;
    if (got == 0 || (got < 0 && errno == ECONNRESET))
        return arrival::closed;
    if (got < 0)
        return arrival::failed;
    return got == sizeof(packet) && (flags & MSG_TRUNC) == 0 ? arrival::packet : arrival::malformed;
}

} // namespace

arrival receive(int socket, received& into) {
    into.fds.clear();
    iovec piece{&into.content, sizeof into.content};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(most_fds * sizeof(int))>
        control; // only the kernel writes it
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const auto take = [&] {
        return ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    };
    ssize_t got = retry_eintr(take);
    // A service that refused left the program's own packet unread. Linux reports that first, and
    // the refusal next.
    if (got < 0 && errno == ECONNRESET)
        got = retry_eintr(take);
    const arrival result = judge(got, header.msg_flags);
    if (got > 0)
        take_all(header, into.fds);
    return result == arrival::packet && (header.msg_flags & MSG_CTRUNC) != 0 ? arrival::malformed
                                                                             : result;
}

arrival receive_bare(int socket, packet& into) noexcept {
    iovec piece{&into, sizeof into};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    const ssize_t got = retry_eintr([&] { return ::recvmsg(socket, &header, MSG_DONTWAIT); });
    return judge(got, header.msg_flags);
}

} // namespace ivshmem::share_protocol
