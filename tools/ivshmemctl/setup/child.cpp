// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/child.hpp"

#include "other_program.hpp"

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <sys/wait.h>
#include <unistd.h>

namespace ivshmemctl {
namespace {

int exec_anywhere(const std::vector<std::string>& words) {
    // After su without "-", PATH lacks the sbin folders.
    const char* path = std::getenv("PATH"); // NOLINT(concurrency-mt-unsafe): one thread
    const auto wider = std::string{path != nullptr ? path : "/usr/bin:/bin"} + ":/usr/sbin:/sbin";
    ::setenv("PATH", wider.c_str(), 1); // NOLINT(concurrency-mt-unsafe)
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    exec(words);
    return no_such_command;
}

} // namespace

std::optional<int> run_in_child(const std::function<int()>& body, std::chrono::seconds limit,
                                blocked_signals& stop) {
    using namespace std::chrono_literals;
    const auto end = std::chrono::steady_clock::now() + limit;
    const pid_t child = ::fork();
    if (child < 0)
        throw std::system_error{errno, std::system_category(), "fork"};
    if (child == 0)
        ::_exit(body()); // the child blocks the signals too: body() is never cut short
    for (;;) {
        int status = 0;
        const pid_t ended = ::waitpid(child, &status, WNOHANG);
        if (ended < 0)
            throw std::system_error{errno, std::system_category(), "waitpid"};
        if (ended == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (std::chrono::steady_clock::now() >= end)
            break;
        stop.pause(100ms);
    }
    ::kill(child, SIGTERM);
    return std::nullopt;
}

std::optional<int> run_command(const std::vector<std::string>& words, std::chrono::seconds limit,
                               blocked_signals& stop) {
    return run_in_child(
        [&] {
            ::setpgid(0, 0); // Ctrl-C reaches this program only, which lets the command finish
            stop.unblock();
            return exec_anywhere(words);
        },
        limit, stop);
}

} // namespace ivshmemctl
