// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "rendezvous.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <sys/socket.h>
#include <sys/un.h>

namespace ivshmem_gateway {

using ivshmem::failure;
using ivshmem::unique_fd;

rendezvous::rendezvous(failure& f) {
    std::error_code ec;
    const auto temporary = std::filesystem::temp_directory_path(ec);
    std::string name = (ec ? std::filesystem::path{"/tmp"} : temporary) / "ivshmem-gateway-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
        f.set_errno(errno, "{}: cannot make a folder for a socket; check TMPDIR", name);
        return;
    }
    folder_ = name;
    path_ = folder_ + "/s";
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    if (path_.size() >= sizeof at.sun_path) {
        f.set_errno(ENAMETOOLONG, "{}: too long for a socket; set a shorter TMPDIR", path_);
        return;
    }
    std::memcpy(at.sun_path, path_.data(), path_.size());
    listening_ = unique_fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!listening_ ||
        ::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        ::listen(listening_.get(), 1) != 0)
        f.set_errno(errno, "{}: cannot listen at a socket; check TMPDIR", path_);
}

rendezvous::~rendezvous() {
    std::error_code ignored;
    if (!folder_.empty())
        std::filesystem::remove_all(folder_, ignored);
}

unique_fd rendezvous::accept(failure& f) const {
    unique_fd made{::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!made)
        f.set_errno(errno, "{}: cannot take the connection", path_);
    return made;
}

} // namespace ivshmem_gateway
