// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The cost of joining and leaving ivshmem-server, beside the minimum that the protocol demands:
//     bench-server-join [ROUNDS]
// In each round 256 clients with 8 vectors join, one after the other, and leave. The floor is a
// loop without any server: one process creates as many eventfds and sends as many messages, with
// as many descriptors, over one socket to another that receives them and closes the descriptors.

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::size_t clients = 256;
constexpr std::size_t vectors = 8;
constexpr double target = 1.5;

using clock_type = std::chrono::steady_clock;

double milliseconds_since(clock_type::time_point start) {
    return std::chrono::duration<double, std::milli>(clock_type::now() - start).count();
}

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error{errno, std::system_category(), what};
}

struct control_buffer {
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> bytes{};
};

void send_message(int socket, std::int64_t value, int fd) {
    iovec piece{&value, sizeof value};
    control_buffer control;
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (fd >= 0) {
        header.msg_control = control.bytes.data();
        header.msg_controllen = control.bytes.size();
        cmsghdr* const part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
    }
    if (::sendmsg(socket, &header, MSG_NOSIGNAL) != sizeof value)
        fail("sendmsg");
}

/// Receives so many messages of 8 bytes each, and closes their descriptors.
void receive_messages(int socket, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        std::int64_t value = 0;
        iovec piece{&value, sizeof value};
        control_buffer control;
        msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control.bytes.data();
        header.msg_controllen = control.bytes.size();
        if (::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_WAITALL) != sizeof value)
            fail("recvmsg");
        if (const cmsghdr* const part = CMSG_FIRSTHDR(&header)) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
            ::close(fd);
        }
    }
}

/// A process that ends with this object.
class child {
  public:
    explicit child(pid_t pid) : pid_{pid} {
        if (pid_ < 0)
            fail("fork");
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

  private:
    pid_t pid_;
};

/// Milliseconds for all.
struct round_result {
    double join = 0;
    double leave = 0;
    [[nodiscard]] double total() const { return join + leave; }
};

/// The messages of all joins and of all departures.
constexpr std::size_t join_messages =
    clients * (3 + vectors) + 2 * vectors * (clients * (clients - 1) / 2);
constexpr std::size_t leave_messages = clients * (clients - 1) / 2;

round_result play_floor() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        fail("socketpair");
    const pid_t sender = ::fork();
    if (sender == 0) {
        std::vector<int> fds;
        for (std::size_t i = 0; i < clients * vectors; ++i)
            fds.push_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        for (std::size_t i = 0; i < join_messages; ++i)
            send_message(ends[1], 1, i < 2 * clients ? -1 : fds[i % fds.size()]);
        for (std::size_t i = 0; i < leave_messages; ++i)
            send_message(ends[1], 1, -1);
        for (const int fd : fds)
            ::close(fd);
        ::_exit(0);
    }
    const child ended{sender};
    ::close(ends[1]);
    round_result result;
    auto start = clock_type::now();
    receive_messages(ends[0], join_messages);
    result.join = milliseconds_since(start);
    start = clock_type::now();
    receive_messages(ends[0], leave_messages);
    result.leave = milliseconds_since(start);
    ::close(ends[0]);
    return result;
}

int connect_to(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(fd);
        return -1;
    }
    return fd;
}

/// KiB.
std::size_t resident(pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/statm"};
    std::size_t total = 0;
    std::size_t pages = 0;
    file >> total >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

round_result play_server(const std::string& socket, const child& server, std::size_t& full) {
    std::vector<int> all;
    round_result result;
    auto start = clock_type::now();
    for (std::size_t i = 0; i < clients; ++i) {
        const int fd = connect_to(socket);
        if (fd < 0)
            fail(socket);
        // In the order in which the server sends.
        for (const int other : all)
            receive_messages(other, vectors);
        receive_messages(fd, 3 + vectors * (all.size() + 1));
        all.push_back(fd);
    }
    result.join = milliseconds_since(start);
    full = resident(server.pid());
    start = clock_type::now();
    while (!all.empty()) {
        ::close(all.back());
        all.pop_back();
        for (const int other : all)
            receive_messages(other, 1);
    }
    result.leave = milliseconds_since(start);
    return result;
}

pid_t start_server(const std::string& socket) {
    const pid_t pid = ::fork();
    if (pid != 0)
        return pid;
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, STDERR_FILENO); // its log
    const std::string count = std::to_string(vectors);
    ::execl(IVSHMEM_SERVER, "ivshmem-server", "-F", "-S", socket.c_str(), "-n", count.c_str(),
            nullptr);
    ::_exit(127);
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void say_where() {
    utsname system{};
    ::uname(&system);
#ifdef __OPTIMIZE__
    const char* const optimized = "optimized";
#else
    const char* const optimized = "NOT optimized";
#endif
    std::printf("  %s %s %s, %u processors; compiler %s, %s\n", system.sysname, system.release,
                system.machine, std::thread::hardware_concurrency(), __VERSION__, optimized);
    std::printf("  %zu clients of %zu vectors: %zu messages of joins, %zu of departures\n", clients,
                vectors, join_messages, leave_messages);
}

void compare(int rounds) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max; // the floor's sender has 2048 eventfds
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    say_where();
    std::string folder = "/tmp/ivshmem-bench.XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr)
        fail(folder);
    const std::string socket = folder + "/socket";
    std::vector<double> ratios;
    std::vector<double> joins;
    std::vector<double> floors;
    {
        const child server{start_server(socket)};
        int first = -1;
        for (int tries = 0; first < 0 && tries < 1000; ++tries) {
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
            first = connect_to(socket);
        }
        if (first < 0)
            fail(IVSHMEM_SERVER);
        receive_messages(first, 3 + vectors);
        ::close(first);
        const std::size_t idle = resident(server.pid());
        std::size_t full = 0; // with all clients
        for (int i = 0; i < rounds; ++i) {
            round_result ours;
            round_result least;
            if (i % 2 == 0)
                ours = play_server(socket, server, full);
            least = play_floor();
            if (i % 2 != 0)
                ours = play_server(socket, server, full);
            ratios.push_back(ours.total() / least.total());
            joins.push_back(ours.join);
            floors.push_back(least.join);
            std::printf("  round %d: joins %.1f ms, departures %.1f ms; floor %.1f ms, %.1f ms\n",
                        i + 1, ours.join, ours.leave, least.join, least.leave);
        }
        std::printf("  a join takes %.3f ms in the middle (floor %.3f ms); the server has %zu KiB "
                    "resident, %zu KiB with all clients: %.2f KiB a client\n",
                    median(joins) / clients, median(floors) / clients, idle, full,
                    static_cast<double>(full - idle) / clients);
    }
    ::rmdir(folder.c_str()); // the server has removed its socket
    const double middle = median(ratios);
    std::printf("bench server-join ratio %.3f %.3f %.3f target <= %.2f %s\n", middle,
                *std::min_element(ratios.begin(), ratios.end()),
                *std::max_element(ratios.begin(), ratios.end()), target,
                middle <= target ? "met" : "missed");
}

} // namespace

int main(int argc, char** argv) try {
    compare(argc > 1 ? std::max(1, std::atoi(argv[1])) : 9);
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-server-join: %s\n", e.what());
    return 1;
}
