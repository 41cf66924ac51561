// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/fake_server.hpp"

#include "helpers/catch.hpp"
#include "helpers/resources.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <future>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace test {

namespace {

void must(bool holds, const char* what) {
    if (!holds)
        throw std::runtime_error{std::string{"fake server: "} + what + ": " + std::strerror(errno)};
}

bool send_piece(int socket, std::span<const unsigned char> bytes, std::span<const int> fds) {
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
    return ivshmem::retry_eintr([&] { return ::sendmsg(socket, &header, MSG_NOSIGNAL); }) ==
           static_cast<ssize_t>(copy.size());
}

std::array<unsigned char, 8> encode(std::int64_t value) {
    std::array<unsigned char, 8> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes.at(i) = static_cast<unsigned char>(static_cast<std::uint64_t>(value) >> (8 * i));
    return bytes;
}

} // namespace

unique_fd make_eventfd(int flags) {
    unique_fd fd{::eventfd(0, EFD_CLOEXEC | flags)};
    must(static_cast<bool>(fd), "eventfd");
    return fd;
}

std::vector<unique_fd> make_eventfds(std::uint32_t count) {
    std::vector<unique_fd> fds;
    for (std::uint32_t i = 0; i < count; ++i)
        fds.push_back(make_eventfd(EFD_NONBLOCK));
    return fds;
}

unique_fd make_memfd(std::size_t size) {
    unique_fd fd{::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    must(fd && ::ftruncate(fd.get(), static_cast<off_t>(size)) == 0, "memfd");
    must(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0, "F_ADD_SEALS");
    return fd;
}

std::uint64_t counter(const unique_fd& eventfd) {
    pollfd entry{eventfd.get(), POLLIN, 0};
    std::uint64_t count = 0;
    if (::poll(&entry, 1, 0) == 1 && ::read(eventfd.get(), &count, sizeof count) == sizeof count)
        return count;
    return 0;
}

void connection::send_bytes(std::span<const unsigned char> bytes, std::span<const int> fds) const {
    const bool sent = send_piece(socket_.get(), bytes, fds);
    must(sent || errno == EPIPE || errno == ECONNRESET, "sendmsg");
}

void connection::send(std::int64_t value, std::span<const int> fds) const {
    send_bytes(encode(value), fds);
}

void connection::send(std::int64_t value, const unique_fd& fd) const {
    const int number = fd.get();
    send(value, std::span{&number, 1});
}

bool connection::try_send(std::int64_t value, std::span<const int> fds) const {
    return send_piece(socket_.get(), encode(value), fds);
}

void join(const connection& link, std::uint16_t id, const std::vector<unique_fd>& vectors) {
    for (const auto& fd : vectors)
        link.send(id, fd);
}

fake_server::fake_server(int backlog) {
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
    must(::listen(listener_.get(), backlog) == 0, "listen");
}

fake_server::~fake_server() {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
}

connection fake_server::accept() const {
    pollfd entry{listener_.get(), POLLIN, 0};
    must(ivshmem::retry_eintr([&] { return ::poll(&entry, 1, 20'000); }) == 1,
         "no client connects");
    connection accepted{unique_fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)}};
    must(accepted.fd() >= 0, "accept");
    return accepted;
}

client_side fake_server::greet(const greeting& how) const {
    client_side side{accept(), make_memfd(), make_eventfds(how.vectors), {}};
    side.link.send(0);
    side.link.send(how.id);
    side.link.send(-1, side.memory);
    for (const std::uint16_t other : how.others) {
        side.others.push_back(make_eventfds(how.vectors));
        join(side.link, other, side.others.back());
    }
    join(side.link, how.id, side.own);
    return side;
}

outcome open_with(const fake_server& server, const std::function<connection()>& script,
                  const ivshmem::open_options& options) {
    outcome first;
    const auto before = resources::now();
    {
        auto served = std::async(std::launch::async, script);
        first.dev = ivshmem::device::open(server.selector(), options, first.code);
        static_cast<void>(served.get());
        CHECK(first.dev.is_open() == !first.code);
    }
    if (first.code)
        CHECK(resources::now() == before);
    first.dev.close();
    CHECK(resources::now() == before);

    outcome second;
    auto served = std::async(std::launch::async, script);
    try {
        second.dev = ivshmem::device::open(server.selector(), options);
    } catch (const ivshmem::error& e) {
        second.code = e.code();
        second.what = e.what();
    }
    static_cast<void>(served.get());
    CHECK(first.code == second.code);
    return second;
}

session::session(const greeting& how, const ivshmem::open_options& options) {
    auto served = std::async(std::launch::async, [&] { return server.greet(how); });
    auto exact = options;
    if (exact.vectors == 0)
        exact.vectors = how.vectors; // does not wait for `settle`
    dev = ivshmem::device::open(server.selector(), exact);
    side = served.get();
}

} // namespace test
