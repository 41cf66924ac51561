// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The library in one process, and in another one the peer in C or the library, both spinning:
//     bench-c-peer c|library roundtrip|throughput SIZE COUNT
// Prints nanoseconds: of a message there and back, or of each of COUNT messages there and as many
// back.

#include "ivshmem_peer.h"
#include "transports/server_process.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/device.hpp>
#include <ivshmem/slot.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr std::uint32_t longest = 65536;
constexpr std::uint32_t ring_size = 1U << 20U;
using clock_type = std::chrono::steady_clock;

std::uint32_t milliseconds(void*) {
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(clock_type::now().time_since_epoch())
            .count());
}
std::uint32_t random_word(void*) {
    return std::random_device{}();
}

/// An end of the library.
class of_library {
  public:
    of_library(const std::string& server, std::uint32_t number)
        : device_{ivshmem::device::open(server, {.vectors = 1})},
          slot_{ivshmem::slot::claim(
              device_, {.number = number, .geometry = ivshmem::region_geometry{2, 1, ring_size}})},
          channel_{ivshmem::channel::open(slot_, 1 - number, 0,
                                          {.max_message = longest, .polling = true})} {
        while (channel_.update() != ivshmem::channel_state::connected) {
        }
    }
    void send(std::span<const std::byte> message) {
        while (!channel_.try_send(message, ec_))
            check();
    }
    void receive(std::span<std::byte> into) {
        while (!channel_.try_receive(into, ec_))
            check();
    }
    void wait_for_close() {
        std::byte none{};
        while (!ec_)
            static_cast<void>(channel_.try_receive({&none, 1}, ec_));
    }

  private:
    void check() const {
        if (ec_)
            throw std::system_error{ec_};
    }

    ivshmem::device device_;
    ivshmem::slot slot_;
    ivshmem::channel channel_;
    std::error_code ec_;
};

/// An end in C.
class of_c {
  public:
    of_c(const std::string& server, std::uint32_t number)
        : device_{ivshmem::device::open(server, {.vectors = 1})} {
        ivshmem_peer_config config{};
        config.hooks.now = milliseconds;
        config.hooks.random = random_word;
        config.memory = device_.memory().data();
        config.memory_size = device_.memory().size();
        config.id = device_.id();
        config.slot = number;
        config.polls = true;
        config.slots = 2;
        config.lanes = 1;
        config.ring_size = ring_size;
        ivshmem_peer_begin(&peer_, &config);
        while (peer_.phase == IVSHMEM_PEER_CLAIMING)
            ivshmem_peer_poll(&peer_);
        check(ivshmem_peer_open(&peer_, &channel_, 1 - number, 0, longest));
        while (channel_.state == IVSHMEM_PEER_CHANNEL_OPENING)
            ivshmem_peer_poll(&peer_);
    }
    void send(std::span<const std::byte> message) {
        auto result = IVSHMEM_PEER_AGAIN;
        while (result == IVSHMEM_PEER_AGAIN)
            result = ivshmem_peer_send(&channel_, message.data(),
                                       static_cast<std::uint32_t>(message.size()));
        check(result);
    }
    void receive(std::span<std::byte> into) {
        auto result = IVSHMEM_PEER_AGAIN;
        std::uint32_t size = 0;
        while (result == IVSHMEM_PEER_AGAIN)
            result = ivshmem_peer_receive(&channel_, into.data(),
                                          static_cast<std::uint32_t>(into.size()), &size);
        check(result);
    }
    void wait_for_close() {
        std::uint32_t size = 0;
        while (ivshmem_peer_receive(&channel_, &size, sizeof size, &size) == IVSHMEM_PEER_AGAIN) {
        }
    }

  private:
    static void check(ivshmem_peer_result result) {
        if (result != IVSHMEM_PEER_OK)
            throw std::runtime_error{"the peer in C: " + std::to_string(result)};
    }

    ivshmem::device device_;
    ivshmem_peer peer_{};
    ivshmem_peer_channel channel_{};
};

struct game {
    bool roundtrip;
    std::size_t size;
    std::uint64_t count;
};

template <typename End>
double play(End& end, bool first, const game& g) {
    std::vector<std::byte> message(g.size);
    const auto began = clock_type::now();
    const auto all = [&](bool sends) {
        for (std::uint64_t i = 0; i < g.count; ++i)
            sends ? end.send(message) : end.receive(message);
    };
    if (g.roundtrip) {
        for (std::uint64_t i = 0; i < g.count; ++i)
            for (const bool sends : {first, !first})
                sends ? end.send(message) : end.receive(message);
    } else {
        all(first);
        all(!first);
    }
    const std::chrono::duration<double, std::nano> took = clock_type::now() - began;
    return took.count() / static_cast<double>(g.roundtrip ? g.count : 2 * g.count);
}

int second(const std::string& server, bool c, const game& g) {
    if (c) {
        of_c end{server, 1};
        play(end, false, g);
        end.wait_for_close();
    } else {
        of_library end{server, 1};
        play(end, false, g);
        end.wait_for_close();
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 5)
        return std::fputs("usage: bench-c-peer c|library roundtrip|throughput SIZE COUNT\n",
                          stderr),
               2;
    const bool c = std::string_view{argv[1]} == "c";
    const game g{std::string_view{argv[2]} == "roundtrip", std::strtoul(argv[3], nullptr, 10),
                 std::strtoull(argv[4], nullptr, 10)};
    const bench::server_process server{std::size_t{16} << 20U};
    const pid_t child = ::fork();
    if (child == 0)
        ::_exit(second(server.selector(), c, g));
    {
        of_library end{server.selector(), 0};
        std::printf("%.1f\n", play(end, true, g));
    }
    int status = 0;
    return ::waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-c-peer: %s\n", e.what());
    return 1;
}
