// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "packet.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <sys/uio.h>

namespace ivshmem_device {

using ivshmem::failure;
using ivshmem::retry_eintr;
using ivshmem::unique_fd;

namespace {

/// The most descriptors that Linux sends with one message (SCM_MAX_FD). With room for all of them,
/// a truncated control message can only mean that no descriptor number is free.
constexpr std::size_t most_in_message = 253;

void protocol_error(failure& f, const std::string& what) {
    f.set(std::make_error_code(std::errc::protocol_error), what);
}

/// Takes ownership of all descriptors that came with a message.
void take_descriptors(msghdr& header, std::vector<unique_fd>& to) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
         part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        const std::size_t size = part->cmsg_len - CMSG_LEN(0);
        for (std::size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(part) + at, sizeof number);
            to.emplace_back(number);
        }
    }
}

} // namespace

packet_reader::progress packet_reader::receive(int socket, std::span<std::byte> to, failure& f) {
    iovec piece{to.data(), to.size()};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(most_in_message * sizeof(int))>
        control; // only the kernel writes it
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();

    const ssize_t got =
        retry_eintr([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); });
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return progress::none;
    if (got < 0 && errno != ECONNRESET) {
        f.set_errno(errno, "cannot receive from it");
        return progress::none;
    }
    if (got <= 0) {
        if (have_ == 0)
            f.set(std::make_error_code(std::errc::connection_reset), "it closed the connection");
        else
            protocol_error(f, ivshmem::formatted("it closed the connection after {} bytes of a "
                                                 "message",
                                                 have_));
        return progress::none;
    }
    have_ += static_cast<std::size_t>(got);
    take_descriptors(message, packet_.fds);
    if ((message.msg_flags & MSG_CTRUNC) != 0)
        f.set(std::make_error_code(std::errc::too_many_files_open),
              "a descriptor that it sent was lost, because this process has none free; raise the "
              "limit (ulimit -n, LimitNOFILE=)");
    else if (packet_.fds.size() > packet_limits::descriptors)
        protocol_error(f, ivshmem::formatted("it sent {} descriptors with one message, and the "
                                             "most are {}",
                                             packet_.fds.size(), packet_limits::descriptors));
    return f ? progress::none : progress::some;
}

void packet_reader::check_header(failure& f) const {
    const wire::header& h = packet_.header;
    if (h.size < sizeof h || h.size > packet_limits::bytes)
        protocol_error(f, ivshmem::formatted("it sent a message of {} bytes, and a message has {} "
                                             "to {}; is it a vfio-user client?",
                                             h.size, sizeof h, packet_limits::bytes));
    else if ((h.flags & wire::type_mask) != 0)
        protocol_error(f, ivshmem::formatted("it sent a message that is no request (flags {:#x}); "
                                             "is it a vfio-user client?",
                                             h.flags));
}

std::optional<packet> packet_reader::next(int socket, failure& f) {
    // Never reads beyond the current message: the descriptors of the next one would be mistaken
    // for its own.
    while (have_ < sizeof(wire::header)) {
        const auto header = std::as_writable_bytes(std::span{&packet_.header, 1});
        if (receive(socket, header.subspan(have_), f) == progress::none)
            return std::nullopt;
        if (have_ < sizeof(wire::header))
            continue;
        check_header(f);
        if (f)
            return std::nullopt;
        packet_.body.resize(packet_.header.size - sizeof(wire::header));
    }
    while (have_ < packet_.header.size) {
        const auto rest = std::span{packet_.body}.subspan(have_ - sizeof(wire::header));
        if (receive(socket, rest, f) == progress::none)
            return std::nullopt;
    }
    have_ = 0;
    return std::exchange(packet_, {});
}

answer answer::reply(const wire::header& request, std::span<const std::byte> body) {
    if ((request.flags & wire::no_reply) != 0)
        return {};
    wire::header h = request;
    h.size = static_cast<std::uint32_t>(sizeof h + body.size());
    h.flags = wire::reply;
    h.error = 0;
    answer a;
    a.bytes.reserve(h.size);
    wire::append(a.bytes, h);
    a.bytes.insert(a.bytes.end(), body.begin(), body.end());
    return a;
}

answer answer::error(const wire::header& request, int number) {
    if ((request.flags & wire::no_reply) != 0)
        return {};
    wire::header h = request;
    h.size = sizeof h;
    h.flags = wire::reply | wire::error;
    h.error = static_cast<std::uint32_t>(number);
    answer a;
    wire::append(a.bytes, h);
    return a;
}

void packet_writer::begin(answer what) {
    answer_ = std::move(what);
    sent_ = 0;
}

bool packet_writer::flush(int socket, failure& f) {
    while (sent_ < answer_.bytes.size()) {
        const auto rest = std::span{answer_.bytes}.subspan(sent_);
        iovec piece{rest.data(), rest.size()};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> control{};
        // QEMU takes a descriptor only with the header.
        if (answer_.fd != -1 && sent_ == 0) {
            message.msg_control = control.data();
            message.msg_controllen = control.size();
            cmsghdr* const part = CMSG_FIRSTHDR(&message);
            part->cmsg_level = SOL_SOCKET;
            part->cmsg_type = SCM_RIGHTS;
            part->cmsg_len = CMSG_LEN(sizeof(int));
            std::memcpy(CMSG_DATA(part), &answer_.fd, sizeof(int));
        }
        const ssize_t sent =
            retry_eintr([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        if (sent < 0) {
            f.set_errno(errno, "cannot send to it");
            return false;
        }
        sent_ += static_cast<std::size_t>(sent);
    }
    return true;
}

} // namespace ivshmem_device
