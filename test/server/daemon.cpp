// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "client.hpp"
#include "helpers/catch.hpp"
#include "run.hpp"

#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// The server as a daemon, and as a service of systemd.

using namespace host;
using ivshmem::unique_fd;

namespace {

/// Passes a descriptor like systemd, in the child that becomes the server.
std::function<void()> pass(const unique_fd& fd, const char* count = "1", bool right_pid = true) {
    return [&fd, count, right_pid] {
        if (fd.get() == 3)
            ::fcntl(3, F_SETFD, 0);
        else
            ::dup2(fd.get(), 3);
        ::setenv("LISTEN_FDS", count, 1);
        ::setenv("LISTEN_PID", std::to_string(right_pid ? ::getpid() : 1).c_str(), 1);
    };
}

/// A daemon: this process becomes its parent and ends it.
class running_daemon {
  public:
    running_daemon(const std::string& socket, const std::string& pid_file,
                   const temporary_folder& folder, const std::function<void()>& prepare = {}) {
        REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
        process parent{{server_program(), "-S", socket, "-p", pid_file}, folder / "log", prepare};
        code = parent.wait();
        parent_pid = parent.pid();
        std::ifstream{pid_file} >> pid;
    }
    running_daemon(const running_daemon&) = delete;
    running_daemon& operator=(const running_daemon&) = delete;
    ~running_daemon() {
        if (pid > 0 && !ended_) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    }
    /// Sends a signal, and returns the exit code.
    int end(int signal) {
        REQUIRE(pid > 0);
        REQUIRE(::kill(pid, signal) == 0);
        int status = 0;
        REQUIRE(eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }));
        ended_ = true;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    std::optional<int> code; ///< of the process that was started
    pid_t parent_pid = -1;
    pid_t pid = -1;

  private:
    bool ended_ = false;
};

} // namespace

TEST_CASE("a daemon listens before its parent ends, and cleans up") {
    const temporary_folder folder;
    running_daemon d{folder / "socket", folder / "pid", folder};
    REQUIRE(d.code == 0);
    REQUIRE(d.pid > 0);
    CHECK(d.pid != d.parent_pid);
    CHECK(text_of(folder / "pid") == std::to_string(d.pid) + "\n");
    CHECK(::getsid(d.pid) == d.pid);
    CHECK(std::filesystem::read_symlink("/proc/" + std::to_string(d.pid) + "/cwd") == "/");
    for (const char* fd : {"0", "1", "2"})
        CHECK(std::filesystem::read_symlink("/proc/" + std::to_string(d.pid) + "/fd/" + fd) ==
              "/dev/null");
    raw_client c{folder / "socket"};
    CHECK(c.joined(1));
    CHECK(d.end(SIGTERM) == 0);
    CHECK_FALSE(std::filesystem::exists(folder / "pid"));
    CHECK_FALSE(std::filesystem::exists(folder / "socket"));
}

TEST_CASE("a daemon serves if its standard streams are closed at the start") {
    const temporary_folder folder;
    const int closed = GENERATE(1, 2, 4, 7);
    running_daemon d{folder / "socket", folder / "pid", folder, [&] {
                         for (int fd = 0; fd < 3; ++fd)
                             if ((closed >> fd & 1) != 0)
                                 ::close(fd);
                     }};
    REQUIRE(d.code == 0);
    raw_client c{folder / "socket"};
    CHECK(c.joined(1));
    CHECK(d.end(SIGTERM) == 0);
    CHECK_FALSE(std::filesystem::exists(folder / "socket"));
}

TEST_CASE("a limit on the size of files is an error, which leaves no socket") {
    const temporary_folder folder;
    process program{{server_program(), "-F", "-S", folder / "socket"}, folder / "log", [] {
                        const rlimit limit{1 << 20, 1 << 20};
                        ::setrlimit(RLIMIT_FSIZE, &limit);
                    }};
    CHECK(program.wait() == 1);
    CHECK(has(program.output(), "cannot make it 4194304 bytes long; choose a smaller size: "
                                "File too large"));
    CHECK_FALSE(std::filesystem::exists(folder / "socket"));
}

TEST_CASE("a pid file that is not a regular file of this user is refused, and left as it is") {
    const temporary_folder folder;
    const std::string path = folder / "pid";
    const auto refused = [&] {
        const outcome o = run_server({"-S", folder / "socket", "-p", path});
        CHECK(o.code == 1);
        CHECK_FALSE(std::filesystem::exists(folder / "socket"));
        return o.output;
    };
    SECTION("a FIFO, with or without a reader") {
        REQUIRE(::mkfifo(path.c_str(), S_IRUSR | S_IWUSR) == 0);
        CHECK(has(refused(), path + ": it exists and is not a regular file"));
        const unique_fd reader{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
        CHECK(has(refused(), path + ": it exists and is not a regular file"));
    }
    SECTION("a device") {
        const outcome o = run_server({"-S", folder / "socket", "-p", "/dev/null"});
        CHECK(o.code == 1);
        CHECK(has(o.output, "/dev/null: it exists and is not a regular file"));
    }
    SECTION("a symbolic link") {
        std::ofstream{folder / "other"} << "precious";
        std::filesystem::create_symlink(folder / "other", path);
        CHECK(has(refused(), path + ": cannot write the pid file"));
        CHECK(text_of(folder / "other") == "precious");
    }
    SECTION("another name of a file") {
        std::ofstream{folder / "other"} << "precious";
        std::filesystem::create_hard_link(folder / "other", path);
        CHECK(has(refused(), path + ": it exists and is a file with another name"));
        CHECK(text_of(folder / "other") == "precious");
    }
    if (::geteuid() == 0) { // others cannot give a file away
        SECTION("a file of another user") {
            std::ofstream{path} << "precious";
            REQUIRE(::chown(path.c_str(), 65534, 65534) == 0);
            CHECK(has(refused(), path + ": it exists and is a file of another user"));
            CHECK(text_of(path) == "precious");
        }
    }
}

TEST_CASE("an ending daemon does not remove the pid file of another one") {
    const temporary_folder folder;
    running_daemon d{folder / "socket", folder / "pid", folder};
    REQUIRE(d.code == 0);
    std::ofstream{folder / "pid"} << "1\n";
    CHECK(d.end(SIGTERM) == 0);
    CHECK(text_of(folder / "pid") == "1\n");
}

TEST_CASE("a daemon finds files that were named relative to another folder") {
    const temporary_folder folder;
    running_daemon d{"socket", folder / "pid", folder, [&] {
                         if (::chdir((folder / "").c_str()) != 0)
                             ::_exit(126);
                     }};
    REQUIRE(d.code == 0);
    REQUIRE(std::filesystem::exists(folder / "socket"));
    CHECK(d.end(SIGINT) == 0);
    CHECK_FALSE(std::filesystem::exists(folder / "socket"));
}

TEST_CASE("the command that starts a daemon reports why it cannot start") {
    const temporary_folder folder;
    const outcome socket = run_server({"-S", "/nonexistent/folder/socket", "-p", folder / "pid"});
    CHECK(socket.code == 1);
    CHECK(has(socket.output, "/nonexistent/folder/socket: cannot create the socket there"));
    CHECK_FALSE(std::filesystem::exists(folder / "pid"));

    const outcome pid = run_server({"-S", folder / "socket", "-p", "/nonexistent/folder/pid"});
    CHECK(pid.code == 1);
    CHECK(has(pid.output, "/nonexistent/folder/pid: cannot write the pid file; choose another"));
    CHECK_FALSE(std::filesystem::exists(folder / "socket"));
}

TEST_CASE("in the foreground the server writes no pid file") {
    running_server server{{"-p", "/nonexistent/folder/pid"}};
    CHECK(server.program().runs());
}

TEST_CASE("a socket passed by systemd is served, and its file is not removed") {
    const temporary_folder folder;
    const unique_fd passed = listening_socket(folder / "passed");
    raw_client early{folder / "passed"}; // waits for the server that is about to start
    running_server server{{}, pass(passed)};
    CHECK(server.program().says("listening on " + (folder / "passed")));
    CHECK_FALSE(std::filesystem::exists(server.socket()));
    CHECK(early.joined(1));
    raw_client c{folder / "passed"};
    CHECK(c.joined(1));
    server.program().signal(SIGTERM);
    CHECK(server.program().wait() == 0);
    CHECK(std::filesystem::exists(folder / "passed"));
}

TEST_CASE("a daemon serves a passed socket too") {
    const temporary_folder folder;
    const unique_fd passed = listening_socket(folder / "passed");
    running_daemon d{folder / "unused", folder / "pid", folder, pass(passed)};
    REQUIRE(d.code == 0);
    raw_client c{folder / "passed"};
    CHECK(c.joined(1));
    CHECK(d.end(SIGTERM) == 0);
    CHECK(std::filesystem::exists(folder / "passed"));
}

TEST_CASE("sockets that were passed to another process, or are unusable, are not served") {
    const temporary_folder folder;
    SECTION("another process") {
        const unique_fd passed = listening_socket(folder / "passed");
        running_server server{{}, pass(passed, "1", false)};
        raw_client c{server.socket()};
        CHECK(c.joined(1));
    }
    const auto refused = [&](const unique_fd& fd, const char* count) {
        process program{
            {server_program(), "-F", "-S", folder / "socket"}, folder / "log", pass(fd, count)};
        CHECK(program.wait() == 1);
        return program.output();
    };
    SECTION("two sockets") {
        CHECK(has(refused(listening_socket(folder / "passed"), "2"),
                  "LISTEN_FDS: 2 sockets were passed"));
    }
    SECTION("datagrams") {
        CHECK(has(refused(listening_socket(folder / "passed", SOCK_DGRAM), "1"),
                  "not a listening UNIX stream socket"));
    }
    SECTION("no socket") {
        CHECK(has(refused(unique_fd{::open("/dev/null", O_RDWR | O_CLOEXEC)}, "1"),
                  "not a listening UNIX stream socket"));
    }
}

TEST_CASE("the service manager is notified of the start and of the end") {
    const temporary_folder folder;
    const notify_socket manager{folder / "notify"};
    process program{{server_program(), "-F", "-S", folder / "socket"}, folder / "log", [&] {
                        ::setenv("NOTIFY_SOCKET", (folder / "notify").c_str(), 1);
                    }};
    CHECK(manager.next() == "READY=1\nMAINPID=" + std::to_string(program.pid()));
    raw_client c{folder / "socket"};
    CHECK(c.joined(1));
    program.signal(SIGTERM);
    CHECK(manager.next() == "STOPPING=1");
    CHECK(program.wait() == 0);
}

TEST_CASE("a service manager that does not listen does not prevent the start") {
    const temporary_folder folder;
    const std::string where = GENERATE("/nonexistent/notify", "relative", "@without-listener");
    process program{{server_program(), "-F", "-S", folder / "socket"}, folder / "log", [&] {
                        ::setenv("NOTIFY_SOCKET", where.c_str(), 1);
                    }};
    CHECK(program.says("NOTIFY_SOCKET: "));
    raw_client c{folder / "socket"};
    CHECK(c.joined(1));
}
