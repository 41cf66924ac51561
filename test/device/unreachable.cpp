// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Servers that cannot be reached, and processes with few descriptors.

#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "helpers/fake_server.hpp"
#include "helpers/resources.hpp"

#include <chrono>
#include <csignal>
#include <future>
#include <thread>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace test;
using ivshmem::errc;
using namespace std::chrono_literals;

namespace {

void fails(const ivshmem::selector& which, errc wanted, const std::string& name,
           const ivshmem::open_options& options = {}) {
    const auto before = resources::now();
    std::error_code ec;
    CHECK_FALSE(ivshmem::device::open(which, options, ec).is_open());
    CHECK(ec == wanted);
    try {
        static_cast<void>(ivshmem::device::open(which, options));
        FAIL("it opened");
    } catch (const ivshmem::error& e) {
        CHECK(e.code() == ec);
        INFO(e.what());
        CHECK(std::string{e.what()}.find(name) != std::string::npos);
    }
    CHECK(resources::now() == before);
}

unique_fd connect_to(const std::string& path) {
    unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    void* const raw = &address;
    if (::connect(fd.get(), static_cast<sockaddr*>(raw), sizeof address) != 0)
        fd.reset();
    return fd;
}

} // namespace

TEST_CASE("text that names no device is reported as an error_code, too") {
    std::error_code ec;
    CHECK_FALSE(ivshmem::device::open("garbage", ec).is_open());
    CHECK(ec == errc::bad_selector);
    CHECK_FALSE(ivshmem::device::open(std::string{"size:0"}, {}, ec).is_open());
    CHECK(ec == errc::bad_selector);
    CHECK_THROWS_AS(ivshmem::device::open("garbage"), ivshmem::error);
}

TEST_CASE("a socket that does not exist") {
    fails(ivshmem::selector::server("/nonexistent/socket"), errc::server_unreachable,
          "/nonexistent/socket");
    fails("server:/nonexistent/socket", errc::server_unreachable, "ivshmem-server -F -S");
}

TEST_CASE("a socket without a listener") {
    fake_server server;
    server.stop_listening();
    fails(server.selector(), errc::server_unreachable, server.path());
}

TEST_CASE("a path that is too long for a socket") {
    const std::string path(108, 'x');
    fails(ivshmem::selector::server(path), errc::bad_selector, path);
    fails(ivshmem::selector::server(""), errc::bad_selector, "1 to 107");
    // The longest possible path is valid.
    fails(ivshmem::selector::server(std::string(107, 'x')), errc::server_unreachable, "xxx");
}

TEST_CASE("options that do not apply to a server") {
    ivshmem::open_options options;
    SECTION("a backend for PCI devices") {
        options.backend = ivshmem::backend_kind::vfio;
        fails("server:/nonexistent", errc::bad_selector, "/nonexistent", options);
    }
    SECTION("another cache mode") {
        options.cache = ivshmem::cache_mode::uncached;
        fails("server:/nonexistent", errc::cache_mode_unavailable, "/nonexistent", options);
    }
    SECTION("a timeout of 0") {
        options.timeout = 0ms;
        std::error_code ec;
        CHECK_FALSE(ivshmem::device::open("server:/nonexistent", options, ec).is_open());
        CHECK(ec == std::errc::invalid_argument);
    }
}

TEST_CASE("a socket that this user may not write to") {
    const fake_server server;
    REQUIRE(::chmod(server.path().c_str(), 0) == 0);
    const bool root = ::geteuid() == 0;
    std::string folder = server.path().substr(0, server.path().rfind('/'));
    REQUIRE(::chmod(folder.c_str(), 0755) == 0);
    constexpr uid_t nobody = 65534;
    if (root)
        REQUIRE(::seteuid(nobody) == 0);
    std::error_code ec;
    std::string what;
    try {
        static_cast<void>(ivshmem::device::open(server.selector()));
    } catch (const ivshmem::error& e) {
        ec = e.code();
        what = e.what();
    }
    if (root)
        REQUIRE(::seteuid(0) == 0);
    CHECK(ec == errc::permission_denied);
    CHECK(what.find(server.path()) != std::string::npos);
    CHECK(what.find("chmod g+rw") != std::string::npos);
}

TEST_CASE("a server that accepts no connection") {
    const deadline limit;
    const fake_server server{0};
    std::vector<unique_fd> waiting;
    while (auto fd = connect_to(server.path()))
        waiting.push_back(std::move(fd));
    ivshmem::open_options brief;
    brief.timeout = 30ms;
    fails(server.selector(), errc::timed_out, server.path(), brief);
}

TEST_CASE("a server that accepts late is waited for") {
    const deadline limit;
    const fake_server server{0};
    std::vector<unique_fd> waiting;
    while (auto fd = connect_to(server.path()))
        waiting.push_back(std::move(fd));
    ivshmem::open_options patient;
    patient.timeout = 20s;
    patient.vectors = 1;
    auto served = std::async(std::launch::async, [&] {
        std::this_thread::sleep_for(20ms);
        for (std::size_t i = 0; i < waiting.size(); ++i)
            static_cast<void>(server.accept());
        return server.greet({});
    });
    CHECK(ivshmem::device::open(server.selector(), patient).is_open());
    static_cast<void>(served.get());
}

TEST_CASE("the longest timeout does not overflow") {
    const deadline limit;
    ivshmem::open_options forever;
    forever.timeout = std::chrono::milliseconds::max();
    forever.settle = std::chrono::milliseconds::max();
    session s{{}, forever};
    CHECK(s.dev.is_open());
    s.dev.ring(7, 0);
    CHECK(s.dev.wait(0, std::chrono::milliseconds::max()) == 1);
}

TEST_CASE("a process with few descriptors joins completely or not at all") {
    const deadline limit;
    const fake_server server;
    ivshmem::open_options two;
    two.vectors = 2;
    two.timeout = 10s;
    bool opened = false;
    unsigned failures = 0;
    // The client's descriptors: the socket, the memory for a moment, the vectors of two peers, its
    // own vectors, and the device's own descriptors. All descriptors of the server exist before the
    // limit falls.
    for (std::size_t more = 0; !opened && more < 64; ++more) {
        const client_side ready{{}, make_memfd(), make_eventfds(2), {}};
        const auto peer = make_eventfds(2);
        const auto before = resources::now();
        std::error_code ec;
        std::string what;
        {
            // The server runs in another process, because a limit applies to all threads.
            const pid_t child = ::fork();
            REQUIRE(child >= 0);
            if (child == 0) {
                try {
                    const auto link = server.accept();
                    link.send(0);
                    link.send(7);
                    link.send(-1, ready.memory);
                    join(link, 3, peer);
                    join(link, 7, ready.own);
                    char end = 0; // until the client closes
                    static_cast<void>(!::read(link.fd(), &end, 1));
                } catch (const std::exception&) { // the client failed
                }
                ::_exit(0);
            }
            const descriptor_limit tight{more};
            try {
                auto dev = ivshmem::device::open(server.selector(), two);
                opened = true;
                dev.ring(7, 1);
                CHECK(dev.take(1) == 1);
            } catch (const ivshmem::error& e) {
                ec = e.code();
                what = e.what();
                ++failures;
            }
            // Without a descriptor for its socket the client never connected.
            if (ec && more == 0)
                ::kill(child, SIGKILL);
            CHECK(::waitpid(child, nullptr, 0) == child);
        }
        INFO(more << " descriptors: " << what);
        CHECK(resources::now() == before);
        if (opened)
            break;
        CHECK(ec == errc::descriptor_limit);
        CHECK(what.find(server.path()) != std::string::npos);
    }
    CHECK(opened);
    CHECK(failures >= 6);
}
