// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/deadline.hpp"
#include "helpers/has.hpp"
#include "running_share.hpp"

#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

// The begin and the end of the service, its socket and its limits.

using namespace host;
using ivshmem::errc;
using test::has;

namespace {

/// A listening socket, as systemd passes it to the service.
struct passed_socket {
    explicit passed_socket(const std::string& path, int type)
        : fd{::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(path.size() < sizeof address.sun_path);
        std::copy(path.begin(), path.end(), std::begin(address.sun_path));
        REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(fd, 10) == 0);
    }
    passed_socket(const passed_socket&) = delete;
    passed_socket& operator=(const passed_socket&) = delete;
    ~passed_socket() { ::close(fd); }
    /// Runs in the child.
    void pass() const {
        if (fd == 3)
            ::fcntl(fd, F_SETFD, 0);
        else
            ::dup2(fd, 3);
        ::setenv("LISTEN_FDS", "1", 1);
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    }
    int fd;
};

template <typename Code>
std::string refusal(const std::string& socket, const Code& wanted) {
    ivshmem::open_options options;
    options.timeout = deadline;
    try {
        static_cast<void>(ivshmem::device::open("share:" + socket, options));
        FAIL("it was opened");
    } catch (const ivshmem::error& e) {
        INFO(e.what());
        CHECK(e.code() == wanted);
        return e.what();
    }
    return {};
}

} // namespace

TEST_CASE("the service takes the socket that systemd passes, and leaves it") {
    const test::deadline limit;
    const running_server server;
    const temporary_folder folder;
    const passed_socket socket{folder / "s", SOCK_SEQPACKET};
    process p{{IVSHMEM_SHARE, "server:" + server.socket()}, folder / "log", [&] {
                  socket.pass();
              }};
    ivshmem::open_options options;
    options.timeout = deadline;
    CHECK(ivshmem::device::open("share:" + folder / "s", options).capabilities().ring);
    p.signal(SIGTERM);
    CHECK(p.wait() == 0);
    CHECK(std::filesystem::exists(folder / "s"));
}

TEST_CASE("a passed socket of another kind is refused") {
    const test::deadline limit;
    const temporary_folder folder;
    const passed_socket socket{folder / "s", SOCK_STREAM};
    process p{{IVSHMEM_SHARE, "server:/none"}, folder / "log", [&] {
                  socket.pass();
              }};
    CHECK(p.wait() == 1);
    CHECK(has(p.output(), "ListenSequentialPacket="));
}

TEST_CASE("a program that caused the start of the service learns why the device is not shared") {
    const test::deadline limit;
    const temporary_folder folder;
    const passed_socket socket{folder / "s", SOCK_SEQPACKET};
    std::string what;
    std::thread client{[&] {
        what = refusal(folder / "s", errc::server_unreachable);
    }};
    // Once the program has connected: as systemd does.
    pollfd pending{socket.fd, POLLIN, 0};
    CHECK(::poll(&pending, 1, 30'000) == 1);
    process p{{IVSHMEM_SHARE, "server:" + folder / "none"}, folder / "log", [&] {
                  socket.pass();
              }};
    client.join();
    CHECK(has(what, "no ivshmem server listens there"));
    CHECK(p.wait() == 1);
}

TEST_CASE("the socket of the service is removed at its end, and is root's alone") {
    const test::deadline limit;
    const running_server server;
    std::string socket;
    {
        running_share share{"server:" + server.socket()};
        socket = share.socket();
        struct stat now {};
        REQUIRE(::stat(socket.c_str(), &now) == 0);
        CHECK((now.st_mode & 0777U) == 0600);
        share.program().signal(SIGTERM);
        CHECK(share.program().wait() == 0);
        CHECK_FALSE(std::filesystem::exists(socket));
    }
}

TEST_CASE("more programs than allowed are refused, until one leaves") {
    const test::deadline limit;
    const running_server server;
    const bool per_user = GENERATE(false, true);
    const running_share share{"server:" + server.socket(),
                              {per_user ? "--max-programs-per-user" : "--max-programs", "2"}};
    auto a = share.open();
    {
        auto b = share.open();
        const auto what = refusal(share.socket(), std::errc::device_or_resource_busy);
        CHECK(has(what, per_user ? "(--max-programs-per-user)" : "(--max-programs)"));
        if (!per_user)
            CHECK(has(what, "2 of them process " + std::to_string(::getpid()) + " ("));
    }
    REQUIRE(eventually([&] { return a.users().size() == 1; }));
    CHECK(share.open().users().size() == 2);
}

TEST_CASE("bad options end the service with a message") {
    const test::deadline limit;
    const auto output = [](const std::vector<std::string>& options, int code) {
        const temporary_folder folder;
        std::vector<std::string> command{IVSHMEM_SHARE};
        command.insert(command.end(), options.begin(), options.end());
        process p{command, folder / "log"};
        CHECK(p.wait() == code);
        return p.output();
    };
    CHECK(has(output({}, 1), "DEVICE"));
    CHECK(has(output({"nonsense"}, 1), "nonsense"));
    CHECK(has(output({"server:x", "--max-programs", "0"}, 1), "--max-programs"));
    CHECK(has(output({"--help"}, 0), "Exit codes:"));
    CHECK(has(output({"--version"}, 0), "ivshmem-share "));
    const running_server server;
    const temporary_folder folder;
    CHECK(has(output({"server:" + server.socket(), "-S", folder / "s", "-g", "no-such-group"}, 1),
              "no-such-group: there is no such group"));
}
