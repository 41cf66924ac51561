// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "daemon.hpp"

#include "base/text.hpp"
#include "service/log.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ivshmem_server {

using ivshmem::failure;
using ivshmem::retry_eintr;
using ivshmem::unique_fd;

std::optional<int> daemon::enter(failure& f) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        f.set_errno(errno, "cannot become a daemon; stay in the foreground (-F)");
        return std::nullopt;
    }
    const unique_fd from_child{ends[0]};
    parent_.reset(ends[1]);

    const pid_t child = ::fork();
    if (child < 0) {
        f.set_errno(errno, "cannot become a daemon; stay in the foreground (-F)");
        return std::nullopt;
    }
    if (child == 0) {
        ::setsid();
        return std::nullopt;
    }
    parent_.reset();
    char word = 0;
    if (retry_eintr([&] { return ::read(from_child.get(), &word, 1); }) == 1)
        return EXIT_SUCCESS;
    // The child has failed and has logged the reason.
    int status = 0;
    retry_eintr([&] { return ::waitpid(child, &status, 0); });
    if (WIFSIGNALED(status))
        service::log::error("the daemon was ended by signal {} while it started", WTERMSIG(status));
    return EXIT_FAILURE;
}

void daemon::write_pid_file(const std::string& path, failure& f) {
    // Opened without O_TRUNC, and without waiting for the reader of a FIFO, so that a file of
    // another user is left as it is.
    const unique_fd fd{::open(path.c_str(),
                              O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                              S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH)};
    struct stat now {};
    if (fd ? ::fstat(fd.get(), &now) != 0 : errno != ENXIO) {
        f.set_errno(errno, "{}: cannot write the pid file; choose another path (-p)", path);
        return;
    }
    const bool regular = fd && S_ISREG(now.st_mode); // ENXIO: a FIFO without a reader
    if (!regular || now.st_uid != ::geteuid() || now.st_nlink != 1) {
        f.set(std::make_error_code(std::errc::file_exists),
              ivshmem::formatted(
                  "{}: it exists and is {}; choose another path for the pid file (-p)", path,
                  !regular                    ? "not a regular file"
                  : now.st_uid != ::geteuid() ? "a file of another user"
                                              : "a file with another name"));
        return;
    }
    const std::string text = ivshmem::formatted("{}\n", ::getpid());
    if (::ftruncate(fd.get(), 0) != 0 ||
        ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        f.set_errno(errno, "{}: cannot write the pid file; choose another path (-p)", path);
        return;
    }
    std::error_code unknown;
    pid_file_ = std::filesystem::absolute(path, unknown);
    device_ = now.st_dev;
    inode_ = now.st_ino;
}

void daemon::ready() {
    service::log::use_syslog();
    // The number is above 2: prepare_process() has opened the standard streams.
    const unique_fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        ::dup2(null.get(), standard);
    if (::chdir("/") != 0)
        service::log::error("/: cannot change to it: the working directory stays in use");
    const char word = 0;
    // A failure means that the parent is gone, so it does not wait.
    [[maybe_unused]] const auto written =
        retry_eintr([&] { return ::write(parent_.get(), &word, 1); });
    parent_.reset();
}

daemon::~daemon() {
    if (pid_file_.empty())
        return;
    // Another daemon may have written the same file since.
    const unique_fd fd{
        ::open(pid_file_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
    struct stat now {};
    if (!fd || ::fstat(fd.get(), &now) != 0 || now.st_dev != device_ || now.st_ino != inode_)
        return;
    const std::string own = ivshmem::formatted("{}\n", ::getpid());
    std::string text(own.size(), '\0');
    if (::read(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(own.size()) &&
        text == own)
        ::unlink(pid_file_.c_str());
}

} // namespace ivshmem_server
