// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "load_client.hpp"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

namespace bench {

/// A process that ends with this object, and counts what it has done.
class actor {
  public:
    using counter = std::atomic<std::uint64_t>;

    template <typename Body>
    explicit actor(Body&& body) {
        void* const shared = ::mmap(nullptr, sizeof(counter), PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
            fail("mmap");
        done_ = new (shared) counter{0};
        process_ = ::fork();
        if (process_ < 0)
            fail("fork");
        if (process_ != 0)
            return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        try {
            body(*done_);
            while (true)
                ::pause();
        } catch (const std::exception& e) {
            std::fprintf(stderr, "bench-server-load: %s\n", e.what());
        }
        ::_exit(1);
    }
    actor(const actor&) = delete;
    actor& operator=(const actor&) = delete;
    ~actor() {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
        ::munmap(done_, sizeof(counter));
    }

    [[nodiscard]] std::uint64_t done() const { return done_->load(std::memory_order_relaxed); }
    /// Returns whether it has done so many things. Throws if it has failed.
    [[nodiscard]] bool has_done(std::uint64_t count) const {
        if (done() >= count)
            return true;
        if (::waitpid(process_, nullptr, WNOHANG) != 0)
            throw std::runtime_error{"a client has failed"};
        return false;
    }

  private:
    counter* done_ = nullptr;
    pid_t process_ = -1;
};

/// An ivshmem-server in a folder of its own.
class load_server {
  public:
    explicit load_server(unsigned stall_timeout) {
        if (::mkdtemp(folder_.data()) == nullptr)
            fail(folder_);
        const std::string seconds = std::to_string(stall_timeout);
        process_ = ::fork();
        if (process_ < 0)
            fail("fork");
        if (process_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);
            const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
            ::dup2(nowhere, STDERR_FILENO);
            ::execl(IVSHMEM_SERVER, "ivshmem-server", "-F", "-S", socket().c_str(), "-l", "1M",
                    "--stall-timeout", seconds.c_str(), nullptr);
            ::_exit(127);
        }
        // The socket exists before the server listens to it.
        for (int i = 0; i < 500; ++i) {
            try {
                load_client{socket()}.join();
                return;
            } catch (const std::system_error&) {
                std::this_thread::sleep_for(std::chrono::milliseconds{10});
            }
        }
    }
    load_server(const load_server&) = delete;
    load_server& operator=(const load_server&) = delete;
    ~load_server() {
        ::kill(process_, SIGTERM);
        ::waitpid(process_, nullptr, 0);
        std::error_code ignored; // it is in the temporary folder
        std::filesystem::remove_all(folder_, ignored);
    }

    [[nodiscard]] std::string socket() const { return folder_ + "/socket"; }
    [[nodiscard]] std::size_t descriptors() const {
        const auto folder = "/proc/" + std::to_string(process_) + "/fd";
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator{folder}, {}));
    }
    /// KiB.
    [[nodiscard]] std::size_t resident() const {
        std::ifstream file{"/proc/" + std::to_string(process_) + "/statm"};
        std::size_t total = 0;
        std::size_t pages = 0;
        file >> total >> pages;
        return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
    }

  private:
    std::string folder_ = std::filesystem::temp_directory_path() / "bench-XXXXXX";
    pid_t process_ = -1;
};

/// Joins so many times, and reads all that comes.
inline void read_all(const std::string& path, unsigned clients, actor::counter& done) {
    const int all = ::epoll_create1(EPOLL_CLOEXEC);
    std::vector<load_client> joined;
    const auto drain = [&](int timeout) {
        std::array<epoll_event, 64> ready{};
        const int count = ::epoll_wait(all, ready.data(), ready.size(), timeout);
        for (int i = 0; i < count; ++i)
            if (!joined[ready.at(static_cast<std::size_t>(i)).data.u32].drain())
                throw std::runtime_error{"the server has dropped a client that reads"};
        return count > 0;
    };
    for (unsigned i = 0; i < clients; ++i) {
        const load_client& next = joined.emplace_back(path);
        next.join();
        epoll_event what{EPOLLIN, {.u32 = i}};
        ::epoll_ctl(all, EPOLL_CTL_ADD, next.socket(), &what);
        while (drain(0))
            continue;
        ++done;
    }
    while (true)
        drain(-1);
}

/// Connects so many times, and reads nothing.
inline void read_nothing(const std::string& path, unsigned clients, actor::counter& done) {
    std::vector<load_client> connected;
    for (unsigned i = 0; i < clients; ++i) {
        connected.emplace_back(path);
        ++done;
    }
    ::pause();
}

inline void join_and_leave(const std::string& path, unsigned joins, actor::counter& done) {
    for (unsigned i = 0; i < joins; ++i) {
        load_client{path}.join();
        ++done;
    }
}

/// Rings these peers as fast as it can.
inline void ring_all(const std::string& path, const std::array<std::uint16_t, 2>& peers,
                     actor::counter& done) {
    const load_client client{path};
    const load_view view{client};
    const std::uint64_t once = 1;
    while (true)
        for (const std::uint16_t peer : peers) {
            static_cast<void>(!::write(view.bells.at(peer), &once, sizeof once));
            done.fetch_add(1, std::memory_order_relaxed);
        }
}

/// Claims slot 0 as fast as it can, without any further step.
inline void write_header(const std::string& path, actor::counter& done) {
    const load_client client{path};
    const load_view view{client};
    constexpr std::size_t claim = 0x44;
    void* const word = view.memory + claim;
    for (std::uint32_t value = 1;; ++value) {
        std::atomic_ref{*static_cast<std::uint32_t*>(word)}.store(value, std::memory_order_relaxed);
        done.fetch_add(1, std::memory_order_relaxed);
    }
}

} // namespace bench
