// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Runs ivshmem-share as systemd does, in guests without it: share-keeper ADDRESS. Each line of its
// standard input kills the service and starts it again with the descriptors that it has stored.

#include "helpers/service_manager.hpp"

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

pid_t start(test::service_manager& manager, const char* address) {
    const auto prepare = manager.preparation();
    const std::size_t stored = manager.settle();
    const pid_t service = ::fork();
    if (service == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        prepare();
        ::execlp("ivshmem-share", "ivshmem-share", address, nullptr);
        ::_exit(127);
    }
    manager.wait_ready();
    std::cout << "ready, " << stored << " stored" << std::endl;
    return service;
}

} // namespace

int main(int argc, char* argv[]) {
    if (argc != 2)
        return 2;
    try {
        ::mkdir("/run/ivshmem", 0755);
        ::mkdir("/run/ivshmem/share", 0755);
        const std::string socket = std::string{"/run/ivshmem/share/"} + argv[1];
        ::unlink(socket.c_str());
        ::unlink("/run/ivshmem/notify");
        test::service_manager manager{socket, "/run/ivshmem/notify"};
        pid_t service = start(manager, argv[1]);
        for (std::string line; std::getline(std::cin, line);) {
            ::kill(service, SIGKILL);
            ::waitpid(service, nullptr, 0);
            manager.settle();
            service = start(manager, argv[1]);
        }
        ::kill(service, SIGTERM);
        ::waitpid(service, nullptr, 0);
        ::unlink(socket.c_str());
        return 0;
    } catch (const std::exception& e) {
        std::cerr << "share-keeper: " << e.what() << '\n';
        return 1;
    }
}
