// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "other_program.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ivshmemctl {
namespace {

constexpr std::size_t most_output = 64 << 10;
constexpr int cannot_start = 127;

/// Reads up to the end; false if the time is over or there is too much.
bool read_all(int fd, std::string& into, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    std::array<char, 4096> piece{};
    while (into.size() < most_output) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd pending{fd, POLLIN, 0};
        if (left.count() <= 0 ||
            (::poll(&pending, 1, static_cast<int>(left.count())) < 0 && errno != EINTR))
            return false;
        if (pending.revents == 0)
            continue;
        const ssize_t got = ::read(fd, piece.data(), piece.size());
        if (got <= 0)
            return got == 0;
        into.append(piece.data(), static_cast<std::size_t>(got));
    }
    return false;
}

} // namespace

int exec(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (const auto& word : words)
        arguments.push_back(const_cast<char*>(word.c_str())); // execvp() takes no const
    arguments.push_back(nullptr);
    ::execvp(arguments.front(), arguments.data());
    return errno;
}

std::string other_program(const std::string& name) {
    std::error_code ec;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
    const auto beside = self.parent_path() / name;
    return !ec && ::access(beside.c_str(), X_OK) == 0 && !std::filesystem::is_directory(beside, ec)
               ? beside.string()
               : name;
}

std::optional<command_result> read_command(const std::vector<std::string>& words,
                                           std::chrono::milliseconds limit) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return std::nullopt;
    const pid_t child = ::fork();
    if (child == 0) {
        const int none = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        ::dup2(none, STDIN_FILENO);
        ::dup2(ends[1], STDOUT_FILENO);
        ::dup2(ends[1], STDERR_FILENO);
        static_cast<void>(exec(words));
        ::_exit(cannot_start);
    }
    ::close(ends[1]);
    command_result result;
    const bool ended = child > 0 && read_all(ends[0], result.output, limit);
    ::close(ends[0]);
    if (child < 0)
        return std::nullopt;
    if (!ended)
        ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!ended || !WIFEXITED(status) || WEXITSTATUS(status) == cannot_start)
        return std::nullopt;
    result.status = WEXITSTATUS(status);
    return result;
}

} // namespace ivshmemctl
