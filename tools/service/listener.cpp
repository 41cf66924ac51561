// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/listener.hpp"

#include "base/text.hpp"
#include "service/log.hpp"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace service {

namespace {

using ivshmem::failure;
using ivshmem::unique_fd;

const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

/// Locks the folder, so that two servers that start at once do not mistake each other's fresh
/// socket for a stale one. Best effort: another holder of the lock must not prevent the start.
unique_fd lock_folder(const std::string& path) {
    auto folder = std::filesystem::path{path}.parent_path();
    if (folder.empty())
        folder = ".";
    unique_fd fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    for (int tried = 0; fd && tried < 20 && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0; ++tried)
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
    return fd;
}

/// Removes the existing file if it is a socket without a listener.
void remove_stale(const std::string& path, const sockaddr_un& address, std::string_view option,
                  failure& f) {
    struct stat now {};
    if (::lstat(path.c_str(), &now) != 0 || !S_ISSOCK(now.st_mode)) {
        f.set(std::make_error_code(std::errc::file_exists),
              ivshmem::formatted("{}: it exists and is not a socket; choose another path ({})",
                                 path, option));
        return;
    }
    // connect() with another socket type fails with EPROTOTYPE if a server listens there, and does
    // not disturb it with a client that comes and goes.
    const unique_fd probe{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EPROTOTYPE) {
        f.set(std::make_error_code(std::errc::address_in_use),
              ivshmem::formatted(
                  "{}: another server listens there; end it or choose another path ({})", path,
                  option));
        return;
    }
    if (errno != ECONNREFUSED) {
        f.set_errno(errno,
                    "{}: cannot find out whether a server listens there; remove it if none does",
                    path);
        return;
    }
    if (::unlink(path.c_str()) != 0) {
        f.set_errno(errno, "{}: cannot remove the socket that a dead server left", path);
        return;
    }
    log::info("{}: removed, left by a dead server", path);
}

/// Returns the path at which a passed socket listens.
std::string address_of(int fd) {
    sockaddr_un address{};
    socklen_t size = sizeof address - 1; // keeps a zero at the end
    const bool known = ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    if (known && address.sun_path[0] != '\0')
        return address.sun_path;
    return "the socket passed by systemd";
}

} // namespace

listener listener::open(const std::string& path, failure& f, int type, std::string_view option) {
    listener made;
    made.name_ = path;
    made.listen_at(path, type, option, f);
    return made;
}

listener listener::adopt(unique_fd passed) {
    listener made;
    made.name_ = address_of(passed.get());
    made.fd_ = std::move(passed);
    return made;
}

void listener::listen_at(const std::string& path, int type, std::string_view option, failure& f) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        f.set(std::make_error_code(std::errc::filename_too_long),
              ivshmem::formatted(
                  "{}: the path of a UNIX socket has at most {} bytes; choose another ({})", path,
                  sizeof address.sun_path - 1, option));
        return;
    }
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));

    unique_fd fd{::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)};
    if (!fd) {
        f.set_errno(errno, "{}: cannot create a socket", path);
        return;
    }
    const unique_fd lock = lock_folder(path);
    int bound = ::bind(fd.get(), generic(address), sizeof address);
    if (bound != 0 && errno == EADDRINUSE) {
        remove_stale(path, address, option, f);
        if (f)
            return;
        bound = ::bind(fd.get(), generic(address), sizeof address);
    }
    if (bound != 0) {
        f.set_errno(errno, "{}: cannot create the socket there; choose another path ({})", path,
                    option);
        return;
    }
    std::error_code unknown;
    remove_ = std::filesystem::absolute(path, unknown);
    struct stat now {};
    if (::lstat(path.c_str(), &now) == 0) {
        device_ = now.st_dev;
        inode_ = now.st_ino;
    }
    if (::listen(fd.get(), SOMAXCONN) != 0) {
        f.set_errno(errno, "{}: cannot listen there", path);
        return;
    }
    fd_ = std::move(fd);
}

listener::~listener() {
    if (remove_.empty())
        return;
    struct stat now {};
    if (::lstat(remove_.c_str(), &now) == 0 && now.st_dev == device_ && now.st_ino == inode_)
        ::unlink(remove_.c_str());
}

} // namespace service
