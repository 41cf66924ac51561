// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "../catch.hpp"
#include "server_client.hpp"

#include <algorithm>
#include <fstream>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// The start and the end of the server: command line, socket, daemon, service manager.

using namespace host;
using ivshmem::unique_fd;

namespace {

struct outcome {
    std::optional<int> code;
    std::string output;
};

outcome run(const std::vector<std::string>& options) {
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

unique_fd listening_socket(const std::string& path, int type = SOCK_STREAM) {
    unique_fd fd{::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    if (type == SOCK_STREAM)
        REQUIRE(::listen(fd.get(), 10) == 0);
    return fd;
}

/// Passes a descriptor as systemd does, in the child that becomes the server.
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

/// A daemon that was started: this process becomes its parent and ends it.
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
    /// The exit code after a signal.
    int end(int signal) {
        REQUIRE(pid > 0);
        REQUIRE(::kill(pid, signal) == 0);
        int status = 0;
        REQUIRE(eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }));
        ended_ = true;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    std::optional<int> code; ///< of the parent
    pid_t parent_pid = -1;
    pid_t pid = -1;

  private:
    bool ended_ = false;
};

} // namespace

TEST_CASE("-h shows every option, its default, and the exit codes") {
    const auto option = GENERATE("-h", "--help");
    const outcome o = run({option});
    CHECK(o.code == 0);
    for (const char* text :
         {"-h,--help", "-v,--verbose", "-F,--foreground", "-p,--pid-file", "-S,--socket",
          "-M,--shm-name", "-m,--directory", "-l,--size", "-n,--vectors", "--max-clients",
          "--no-departures", "--stall-timeout", "/tmp/ivshmem_socket",
          "/var/run/ivshmem-server.pid", "4194304", "sealed memfd", "Exit codes: 0"})
        CHECK(has(o.output, text));
    const outcome version = run({"-V"});
    CHECK(version.code == 0);
    CHECK_THAT(version.output, Catch::Matchers::StartsWith("ivshmem-server "));
}

TEST_CASE("a bad option is refused by name") {
    struct example {
        std::vector<std::string> options;
        const char* said;
    };
    const auto e = GENERATE(
        example{{"-l", "0"}, "--size: the shared memory cannot have 0 bytes"},
        example{{"-l", "0K"}, "--size: the shared memory cannot have 0 bytes"},
        example{{"-l", "4Q"}, "--size: "}, example{{"-l", "four"}, "--size: "},
        example{{"-l", "-1"}, "--size: "}, example{{"-l", "99999999999T"}, "--size: "},
        example{{"-l"}, "--size"}, example{{"-n", "0"}, "--vectors: Value 0 not in range"},
        example{{"-n", "257"}, "--vectors: Value 257 not in range"},
        example{{"-n", "x"}, "--vectors: "}, example{{"--max-clients", "0"}, "--max-clients: "},
        example{{"--max-clients", "65537"}, "--max-clients: "},
        example{{"--stall-timeout", "-1"}, "--stall-timeout: "},
        example{{"-M", ""}, "--shm-name: the name is empty"},
        example{{"-M", "a", "-m", "b"}, "excludes"}, example{{"-S", ""}, "--socket: "},
        example{{"-x"}, "-x"}, example{{"argument"}, "argument"});
    auto options = e.options;
    options.insert(options.begin(), "-F"); // were it to start, it would not hide
    const outcome o = run(options);
    CHECK(o.code == 1);
    CHECK(has(o.output, e.said));
    CHECK(has(o.output, "Try 'ivshmem-server -h'."));
}

TEST_CASE("options are written as QEMU's server takes them") {
    const temporary_folder folder;
    // Together, attached, repeated: the last one counts.
    process program{
        {server_program(), "-vF", "-l1M", "-l", "2M", "-n", "9", "-n3", "-S" + (folder / "socket")},
        folder / "log"};
    REQUIRE(program.says("2097152 bytes (memfd), vectors: 3"));
    raw_client c{folder / "socket"};
    CHECK(c.joined(3));
}

TEST_CASE("as many vectors as QEMU can ring are served") {
    const auto vectors = GENERATE(1, 64, 256);
    running_server server{{"-n", std::to_string(vectors)}};
    raw_client c{server.socket()};
    CHECK(c.joined(static_cast<std::size_t>(vectors)));
    CHECK(c.wrong().empty());
}

TEST_CASE("SIGTERM, SIGINT and SIGHUP end it cleanly") {
    const int signal = GENERATE(SIGTERM, SIGINT, SIGHUP);
    running_server server;
    raw_client c{server.socket()};
    REQUIRE(c.joined(1));
    server.program().signal(signal);
    CHECK(server.program().wait() == 0);
    CHECK_FALSE(std::filesystem::exists(server.socket()));
    CHECK(c.closed());
    CHECK(c.departures() == 0); // clients are told of the end, not of each other's
    CHECK(has(server.program().output(), "ending: signal " + std::to_string(signal)));
}

TEST_CASE("a socket left by a server that was killed is replaced") {
    const temporary_folder folder;
    const std::string socket = folder / "socket";
    {
        process first{{server_program(), "-F", "-S", socket}, folder / "first"};
        REQUIRE(first.says("listening on"));
        first.signal(SIGKILL);
        REQUIRE(first.wait() == 128 + SIGKILL);
    }
    REQUIRE(std::filesystem::exists(socket));
    process second{{server_program(), "-F", "-S", socket}, folder / "second"};
    REQUIRE(second.says("listening on"));
    CHECK(has(second.output(), "removed, a dead server had left it"));
    raw_client c{socket};
    CHECK(c.joined(1));
}

TEST_CASE("a socket at which a server listens is left alone") {
    running_server server;
    raw_client c{server.socket()};
    REQUIRE(c.joined(1));
    const outcome o = run({"-F", "-S", server.socket()});
    CHECK(o.code == 1);
    CHECK(has(o.output, server.socket() + ": another server listens there; end it or choose"));
    raw_client next{server.socket()};
    REQUIRE(next.joined(1));
    CHECK(next.id() == 1); // asking whether it lives took no id
    CHECK(c.knows({0, 1}, 1));
}

TEST_CASE("of servers that start at once on a dead one's socket, one serves") {
    const temporary_folder folder;
    const std::string socket = folder / "socket";
    listening_socket(socket).reset(); // dead
    constexpr int count = 6;
    std::vector<std::unique_ptr<process>> servers;
    for (int i = 0; i < count; ++i)
        servers.push_back(std::make_unique<process>(
            std::vector<std::string>{server_program(), "-F", "-S", socket},
            folder / std::to_string(i)));
    const auto refused = [&] {
        return std::count_if(servers.begin(), servers.end(), [](const auto& p) {
            return !p->runs() && has(p->output(), "another server listens there");
        });
    };
    CHECK(eventually([&] { return refused() == count - 1; }));
    raw_client c{socket};
    CHECK(c.joined(1));
}

TEST_CASE("what is no socket is not removed") {
    const temporary_folder folder;
    std::ofstream{folder / "file"} << "precious";
    const outcome o = run({"-F", "-S", folder / "file"});
    CHECK(o.code == 1);
    CHECK(has(o.output, (folder / "file") + ": it exists and is no socket; choose another path"));
    CHECK(text_of(folder / "file") == "precious");
}

TEST_CASE("a path that can be no socket is refused") {
    const outcome absent = run({"-F", "-S", "/nonexistent/folder/socket"});
    CHECK(absent.code == 1);
    CHECK(has(absent.output, "/nonexistent/folder/socket: cannot create the socket there"));
    const outcome longest = run({"-F", "-S", "/" + std::string(107, 'x')});
    CHECK(longest.code == 1);
    CHECK(has(longest.output, "the path of a UNIX socket has at most 107 bytes"));
}

TEST_CASE("at its end a server leaves another's socket where it is") {
    running_server server;
    std::filesystem::remove(server.socket());
    const unique_fd other = listening_socket(server.socket());
    server.program().signal(SIGTERM);
    CHECK(server.program().wait() == 0);
    CHECK(std::filesystem::exists(server.socket()));
}

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

TEST_CASE("a daemon finds its files again that were named from another folder") {
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

TEST_CASE("what keeps a daemon from starting is seen by whoever started it") {
    const temporary_folder folder;
    const outcome socket = run({"-S", "/nonexistent/folder/socket", "-p", folder / "pid"});
    CHECK(socket.code == 1);
    CHECK(has(socket.output, "/nonexistent/folder/socket: cannot create the socket there"));
    CHECK_FALSE(std::filesystem::exists(folder / "pid"));

    const outcome pid = run({"-S", folder / "socket", "-p", "/nonexistent/folder/pid"});
    CHECK(pid.code == 1);
    CHECK(has(pid.output, "/nonexistent/folder/pid: cannot write the pid file; choose another"));
    CHECK_FALSE(std::filesystem::exists(folder / "socket"));
}

TEST_CASE("in the foreground no pid file is written") {
    running_server server{{"-p", "/nonexistent/folder/pid"}};
    CHECK(server.program().runs());
}

TEST_CASE("a socket passed by systemd is served, and left where it is") {
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

TEST_CASE("sockets that were passed to another process, or are of no use, are not served") {
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
    SECTION("two of them") {
        CHECK(has(refused(listening_socket(folder / "passed"), "2"),
                  "LISTEN_FDS: 2 sockets were passed"));
    }
    SECTION("datagrams") {
        CHECK(has(refused(listening_socket(folder / "passed", SOCK_DGRAM), "1"),
                  "no listening UNIX stream socket"));
    }
    SECTION("no socket") {
        CHECK(has(refused(unique_fd{::open("/dev/null", O_RDWR | O_CLOEXEC)}, "1"),
                  "no listening UNIX stream socket"));
    }
}

TEST_CASE("the service manager hears of the start and of the end") {
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

TEST_CASE("a service manager that does not listen keeps nothing from starting") {
    const temporary_folder folder;
    const std::string where = GENERATE("/nonexistent/notify", "relative", "@nobody-there");
    process program{{server_program(), "-F", "-S", folder / "socket"}, folder / "log", [&] {
                        ::setenv("NOTIFY_SOCKET", where.c_str(), 1);
                    }};
    CHECK(program.says("NOTIFY_SOCKET: "));
    raw_client c{folder / "socket"};
    CHECK(c.joined(1));
}
