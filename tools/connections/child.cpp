// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/child.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>

#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

namespace connections {
namespace {

/// Returns the environment with two variables.
std::vector<std::string> environment(const std::string& service, std::uint32_t slot) {
    std::vector<std::string> all;
    for (char** one = environ; *one != nullptr; ++one)
        if (const std::string_view text{*one};
            !text.starts_with("IVSHMEM_SERVICE=") && !text.starts_with("IVSHMEM_SLOT="))
            all.emplace_back(text);
    all.push_back("IVSHMEM_SERVICE=" + service);
    all.push_back("IVSHMEM_SLOT=" + std::to_string(slot));
    return all;
}

/// posix_spawn() takes no const.
std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> all;
    all.reserve(words.size() + 1);
    for (const auto& word : words)
        all.push_back(const_cast<char*>(word.c_str()));
    all.push_back(nullptr);
    return all;
}

} // namespace

child start_child(const std::vector<std::string>& command, const std::string& service,
                  std::uint32_t slot) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::system_error{errno, std::system_category(), "socketpair"};
    posix_spawn_file_actions_t files{};
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, ends[1], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    posix_spawnattr_t how{};
    ::posix_spawnattr_init(&how);
    sigset_t none{};
    sigset_t ignored_here{};
    sigemptyset(&none);
    sigemptyset(&ignored_here);
    sigaddset(&ignored_here, SIGPIPE);
    sigaddset(&ignored_here, SIGXFSZ);
    ::posix_spawnattr_setsigmask(&how, &none);
    ::posix_spawnattr_setsigdefault(&how, &ignored_here);
    ::posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const auto variables = environment(service, slot);
    pid_t pid = -1;
    const int failed = ::posix_spawnp(&pid, command.front().c_str(), &files, &how,
                                      pointers(command).data(), pointers(variables).data());
    ::posix_spawnattr_destroy(&how);
    ::posix_spawn_file_actions_destroy(&files);
    ::close(ends[1]);
    if (failed != 0) {
        ::close(ends[0]);
        throw std::system_error{failed, std::system_category(), command.front()};
    }
    return {pid, ends[0]};
}

} // namespace connections
