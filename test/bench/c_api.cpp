// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The API in C or in C++ on one channel between two processes, both spinning, or between two slots
// of one thread, in which nothing but the calls costs time:
//     bench-c-api c|cpp throughput|roundtrip|calls SIZE COUNT
// Prints nanoseconds: of a message, or of one there and back.

#include "c_api_games.hpp"
#include "c_api_slot.hpp"

#include <ivshmem/ivshmem.h>
#include <ivshmem/ivshmem.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace {

constexpr std::uint32_t ring_size = 1U << 20U;

/// An end in C++.
class of_cpp {
  public:
    of_cpp(const std::string& server, std::uint32_t number)
        : device_{ivshmem::device::open(server, {.vectors = 1})},
          slot_{ivshmem::slot::claim(
              device_, {.number = number, .geometry = ivshmem::region_geometry{2, 1, ring_size}})},
          channel_{ivshmem::channel::open(slot_, 1 - number, 0, {.polling = true})} {}

    /// Whether the other side is there.
    bool connected() {
        return channel_.update() == ivshmem::channel_state::connected && !channel_.peer_finished();
    }
    bool left() { return !connected(); }
    void send(std::span<const std::byte> message) {
        while (!channel_.try_send(message, ec_))
            check();
    }
    void receive(std::span<std::byte> into) {
        while (!channel_.try_receive(into, ec_))
            check();
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
    of_c(const std::string& server, std::uint32_t number) : slot_{server, number, ring_size} {
        ivshmem_channel_options polling{};
        polling.size = sizeof polling;
        polling.polling = 1;
        check(ivshmem_channel_open(slot_.get(), 1 - number, 0, &polling, &channel_));
    }
    of_c(const of_c&) = delete;
    of_c& operator=(const of_c&) = delete;
    ~of_c() { ivshmem_channel_close(channel_); }

    bool connected() {
        ivshmem_channel_facts facts{};
        facts.size = sizeof facts;
        check(ivshmem_channel_update(channel_, nullptr));
        check(ivshmem_channel_get_facts(channel_, &facts));
        return facts.state == IVSHMEM_STATE_CONNECTED && facts.peer_finished == 0;
    }
    bool left() { return !connected(); }
    void send(std::span<const std::byte> message) {
        int result = 0;
        while ((result = ivshmem_channel_try_send(channel_, message.data(), message.size())) != 0)
            check_again(result);
    }
    void receive(std::span<std::byte> into) {
        int result = 0;
        std::size_t size = 0;
        while ((result = ivshmem_channel_try_receive(channel_, into.data(), into.size(), &size)) !=
               0)
            check_again(result);
    }

  private:
    static void check(int result) { bench::slot_in_c::check(result); }
    static void check_again(int result) {
        if (result != -EAGAIN)
            check(result);
    }

    bench::slot_in_c slot_;
    ivshmem_channel* channel_ = nullptr;
};

} // namespace

int main(int argc, char** argv) {
    return bench::play_games<of_c, of_cpp>("bench-c-api", argc, argv);
}
