// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/operation.hpp"

#include "common/print.hpp"
#include "setup/child.hpp"
#include "text_file.hpp"

#include <ivshmem/discovery.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

namespace ivshmemctl {
namespace {

using namespace std::chrono_literals;

constexpr auto write_limit = 10s; // unbinding waits until the device is closed
constexpr auto command_limit = 60s;
constexpr auto node_limit = 5s;

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error{what};
}

/// @return 0 or errno.
int write_to(const std::string& path, const std::string& text) {
    const int fd =
        ::open(path.c_str(), O_WRONLY | O_CLOEXEC); // without O_CREAT: the file must exist
    if (fd < 0)
        return errno;
    const auto written = ::write(fd, text.data(), text.size());
    const int number = written < 0 ? errno : 0;
    ::close(fd);
    return number;
}

bool has_node(const ivshmem::pci_address& address) {
    const auto found = ivshmem::discover();
    return std::any_of(found.devices.begin(), found.devices.end(), [&](const auto& device) {
        const auto& node = device.vfio_node ? device.vfio_node : device.uio_node;
        return device.address == address && node && node->exists;
    });
}

void replace(const std::string& path, const std::string& text) {
    const std::filesystem::path target{path};
    std::filesystem::create_directories(target.parent_path());
    const auto fresh = path + ".new";
    std::ofstream file{fresh, std::ios::binary};
    file << text;
    file.close();
    if (!file) {
        const int number = errno;
        std::error_code ec;
        std::filesystem::remove(fresh, ec);
        fail(tools::format("{}: writing: {}", path, std::strerror(number)));
    }
    std::filesystem::rename(fresh, target);
}

} // namespace

operation write_line(const std::string& path, const std::string& line) {
    return {
        tools::format("echo {}>{}", line.empty() ? "" : shell_word(line) + " ", shell_word(path)),
        [=](blocked_signals& stop) {
            const auto write = [&] {
                for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
                    ::close(fd); // a process that reads from them must not wait for the kernel
                return write_to(path, line + "\n");
            };
            const auto done = run_in_child(write, write_limit, stop);
            if (!done)
                fail(tools::format("{}: writing \"{}\" does not return: the device is in use, and "
                                   "the kernel completes the write when the device is closed "
                                   "(fuser -v /dev/vfio/* /dev/uio* names the processes)",
                                   path, line));
            if (*done != 0)
                fail(tools::format("{}: writing \"{}\": {}; dmesg may say more", path, line,
                                   std::strerror(*done)));
        }};
}

operation command_line(const std::vector<std::string>& words) {
    std::string shell;
    for (const auto& word : words)
        shell += (shell.empty() ? "" : " ") + shell_word(word);
    return {
        shell, [=](blocked_signals& stop) {
            const auto done = run_command(words, command_limit, stop);
            if (!done)
                fail(tools::format("{}: did not end within {} s", shell, command_limit.count()));
            if (*done == no_such_command)
                fail(tools::format("{}: there is no such command; apt install kmod", shell));
            if (*done != 0)
                fail(tools::format("{}: failed with status {}; dmesg may say more", shell, *done));
        }};
}

operation make_file(const std::string& path, const std::string& line) {
    const auto folder = std::filesystem::path{path}.parent_path().string();
    return {tools::format("mkdir -p {} && echo {} >{}", shell_word(folder), shell_word(line),
                          shell_word(path)),
            [=](blocked_signals&) {
                replace(path, line + "\n");
            }};
}

operation remove_file(const std::string& path) {
    return {"rm -f " + shell_word(path), [=](blocked_signals&) {
                std::filesystem::remove(path);
            }};
}

operation wait_for_node(const ivshmem::pci_address& address, const std::string& node) {
    return {tools::format("timeout {} sh -c 'until [ -c {} ]; do sleep 0.1; done'",
                          node_limit.count(), node),
            [=](blocked_signals& stop) {
                const auto end = std::chrono::steady_clock::now() + node_limit;
                while (!has_node(address)) {
                    if (stop.arrived() != 0)
                        return; // the caller checks for the signal too
                    if (std::chrono::steady_clock::now() >= end)
                        fail(tools::format("{}: bound, but {} did not appear within {} s; is /dev "
                                           "a devtmpfs, or is this a container without the node?",
                                           to_string(address), node, node_limit.count()));
                    stop.pause(50ms);
                }
            }};
}

} // namespace ivshmemctl
