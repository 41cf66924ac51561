// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "daemon.hpp"

#include "base/text.hpp"
#include "log.hpp"

#include <array>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
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
        log::error("the daemon was ended by signal {} while it started", WTERMSIG(status));
    return EXIT_FAILURE;
}

void daemon::write_pid_file(const std::string& path, failure& f) {
    const unique_fd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                              S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH)};
    const std::string text = ivshmem::formatted("{}\n", ::getpid());
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        f.set_errno(errno, "{}: cannot write the pid file; choose another path (-p)", path);
        return;
    }
    std::error_code unknown;
    pid_file_ = std::filesystem::absolute(path, unknown);
}

void daemon::ready() {
    log::use_syslog();
    const unique_fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        ::dup2(null.get(), standard);
    if (::chdir("/") != 0)
        log::error("/: cannot change to it: the working directory stays in use");
    const char word = 0;
    // A failure means that the parent is gone, so it does not wait.
    [[maybe_unused]] const auto written =
        retry_eintr([&] { return ::write(parent_.get(), &word, 1); });
    parent_.reset();
}

daemon::~daemon() {
    if (pid_file_.empty())
        return;
    std::ifstream file{pid_file_};
    pid_t pid = 0;
    if (file >> pid && pid == ::getpid())
        ::unlink(pid_file_.c_str());
}

} // namespace ivshmem_server
