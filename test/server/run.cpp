// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "run.hpp"

#include "helpers/catch.hpp"

#include <algorithm>

#include <sys/un.h>

namespace host {

outcome run_server(const std::vector<std::string>& options) {
    const temporary_folder folder;
    std::vector<std::string> command{server_program()};
    command.insert(command.end(), options.begin(), options.end());
    process program{command, folder / "log"};
    const auto code = program.wait();
    return {code, program.output()};
}

bool has(const std::string& text, const std::string& part) {
    INFO(text);
    return text.find(part) != std::string::npos;
}

ivshmem::unique_fd listening_socket(const std::string& path, int type) {
    ivshmem::unique_fd fd{::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    if (type == SOCK_STREAM)
        REQUIRE(::listen(fd.get(), 10) == 0);
    return fd;
}

} // namespace host
