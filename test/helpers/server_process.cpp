// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/server_process.hpp"

#include "helpers/catch.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace host {

temporary_folder::temporary_folder() {
    std::string name = std::filesystem::temp_directory_path() / "ivshmem-test.XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
}

temporary_folder::~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string text_of(const std::string& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

process::process(const std::vector<std::string>& command, std::string output_file,
                 const std::function<void()>& prepare)
    : output_file_{std::move(output_file)} {
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const int output =
        ::open(output_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    REQUIRE(output >= 0);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL); // if the test is aborted, no destructor runs
        ::dup2(output, STDOUT_FILENO);
        ::dup2(output, STDERR_FILENO);
        if (prepare)
            prepare();
        ::execv(arguments.front(), arguments.data());
        ::_exit(127);
    }
    ::close(output);
    REQUIRE(pid_ > 0);
}

process::~process() {
    if (pid_ <= 0 || ended_)
        return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

bool process::says(const std::string& text) const {
    return eventually([&] { return output().find(text) != std::string::npos; });
}

void process::signal(int number) const {
    REQUIRE(::kill(pid_, number) == 0);
}

bool process::runs() {
    int status = 0;
    if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
        ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return !ended_;
}

std::optional<int> process::wait(std::chrono::milliseconds within) {
    eventually([&] { return !runs(); }, within);
    return ended_;
}

std::string server_program() {
    return IVSHMEM_SERVER;
}

running_server::running_server(const std::vector<std::string>& options,
                               const std::function<void()>& prepare)
    : socket_{folder / "socket"} {
    const std::string notify = folder / "notify";
    const notify_socket manager{notify};
    std::vector<std::string> command{server_program(), "-F", "-S", socket_};
    command.insert(command.end(), options.begin(), options.end());
    program_.emplace(command, folder / "log", [&] {
        ::setenv("NOTIFY_SOCKET", notify.c_str(), 1);
        if (prepare)
            prepare();
    });
    const std::string ready = manager.next();
    INFO(program_->output());
    REQUIRE(ready == "READY=1\nMAINPID=" + std::to_string(program_->pid()));
}

std::size_t running_server::open_descriptors() const {
    const std::filesystem::directory_iterator fds{"/proc/" + std::to_string(program_->pid()) +
                                                  "/fd"};
    return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

notify_socket::notify_socket(const std::string& path)
    : fd_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

notify_socket::~notify_socket() {
    ::close(fd_);
}

std::string notify_socket::next() const {
    pollfd ready{fd_, POLLIN, 0};
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(deadline).count();
    if (::poll(&ready, 1, static_cast<int>(limit)) != 1)
        return {};
    std::array<char, 512> text{};
    const ssize_t size = ::recv(fd_, text.data(), text.size(), 0);
    return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string{};
}

} // namespace host
