// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "load_actors.hpp"
#include "load_client.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>
#include <ivshmem/device.hpp>
#include <ivshmem/slot.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace bench {

/// Medians, in microseconds.
struct latency {
    double round_trip = 0;
    double join = 0;
};

/// One of two peers with a channel, which sleeps while there is no message.
class honest_peer {
  public:
    honest_peer(const std::string& path, std::uint32_t number)
        : device_{ivshmem::device::open(ivshmem::selector::server(path), {.vectors = 1})},
          slot_{ivshmem::slot::claim(
              device_, {.number = number, .geometry = ivshmem::region_geometry{2, 1, 4096}})},
          channel_{ivshmem::channel::open(slot_, 1 - number, 0)} {}

    void connect() {
        while (channel_.update() != ivshmem::channel_state::connected)
            sleep();
    }
    void send() {
        while (!channel_.try_send(message_))
            sleep();
    }
    void receive() {
        while (!channel_.try_receive(message_)) {
            ivshmem::channel_driver driver{channel_};
            if (driver.arm(ivshmem::channel_driver::for_data))
                sleep();
            driver.disarm();
        }
    }
    /// Reads the server's messages. A client that does not is dropped.
    void attend() {
        slot_.answer_claims();
        channel_.update();
        while (device_.next_event())
            continue;
    }
    [[nodiscard]] std::uint16_t id() const { return device_.id(); }

  private:
    void sleep() {
        std::error_code ec;
        device_.wait(0, std::chrono::milliseconds{100}, ec);
        attend();
    }

    ivshmem::device device_;
    ivshmem::slot slot_;
    ivshmem::channel channel_;
    std::array<std::byte, 64> message_{};
};

/// Two peers in two processes: one of them is this.
class honest_pair {
  public:
    explicit honest_pair(const std::string& path)
        : path_{path}, echo_{[&path](actor::counter& done) {
              honest_peer peer{path, 1};
              done = 1U + peer.id();
              peer.connect();
              while (true) {
                  peer.receive();
                  peer.send();
              }
          }} {
        while (!echo_.has_done(1))
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
        peer_.emplace(path, 0);
        peer_->connect();
    }
    /// Waits until the condition holds, and goes on as a client that reads.
    /// @param what The error if that takes too long.
    template <typename Condition>
    void wait_until(const char* what, Condition&& condition) {
        const auto end = std::chrono::steady_clock::now() + longest;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end)
                throw std::runtime_error{what};
            peer_->attend();
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
        }
    }
    [[nodiscard]] std::array<std::uint16_t, 2> ids() const {
        return {peer_->id(), static_cast<std::uint16_t>(echo_.done() - 1)};
    }
    [[nodiscard]] latency measure() {
        latency found;
        found.round_trip = median(round_trips, [&] {
            peer_->send();
            peer_->receive();
        });
        // A join may take longer than a client may leave its messages unread.
        const std::jthread reads{[this](const std::stop_token& end) {
            while (!end.stop_requested()) {
                peer_->attend();
                std::this_thread::sleep_for(std::chrono::milliseconds{10});
            }
        }};
        found.join = median(joins, [&] { load_client{path_}.join(); });
        return found;
    }

  private:
    static constexpr unsigned round_trips = 2000;
    static constexpr unsigned joins = 100;
    static constexpr std::chrono::seconds longest{300};

    template <typename Step>
    static double median(unsigned count, Step&& step) {
        std::vector<double> took;
        for (unsigned i = 0; i < count; ++i) {
            const auto start = std::chrono::steady_clock::now();
            step();
            took.push_back(
                std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
                    .count());
        }
        std::nth_element(took.begin(), took.begin() + count / 2, took.end());
        return took[count / 2];
    }

    std::string path_;
    actor echo_;
    std::optional<honest_peer> peer_;
};

} // namespace bench
