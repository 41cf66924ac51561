// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"
#include "server_process.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>

namespace bench {

/// The channels of this project: two peers of an ivshmem server, each in its own slot.
class channel_transport {
  public:
    static constexpr std::string_view name = "channel";

    explicit channel_transport(const request& asked)
        : asked_{asked}, server_{std::size_t{16} << 20U} {}

    class end {
      public:
        end(channel_transport& made, side mine)
            : device_{ivshmem::device::open(made.server_.selector(), {.vectors = 1})},
              slot_{ivshmem::slot::claim(
                  device_,
                  {.number = mine == side::first ? 0 : 1,
                   .geometry = ivshmem::region_geometry{2, 1, std::uint32_t{ring_bytes}}})},
              channel_{ivshmem::channel::open(slot_, mine == side::first ? 1 : 0, 0,
                                              {.polling = made.asked_.wait == waiting::spin})},
              part_{largest_whole < made.asked_.size} {}

        bool try_send(std::span<const std::byte> message) {
            bool complete = false;
            if (part_) {
                const auto fill = [&](std::span<std::byte> into, std::size_t offset) {
                    std::memcpy(into.data(), message.data() + offset, into.size());
                };
                complete = ivshmem::channel_driver{channel_}.send_some(message.size(), sent_, fill,
                                                                       error_);
                if (complete)
                    sent_ = 0;
            } else {
                complete = channel_.try_send(message, error_);
            }
            if (error_) [[unlikely]]
                look_at(error_);
            return complete;
        }
        bool try_receive(std::span<std::byte> room) {
            bool complete = false;
            if (part_) {
                const auto copy = [&](std::size_t offset, std::span<const std::byte> part) {
                    std::memcpy(room.data() + offset, part.data(), part.size());
                };
                complete = ivshmem::channel_driver{channel_}.receive_some(room.size(), received_,
                                                                          copy, error_);
                if (complete)
                    received_ = 0;
            } else {
                complete = channel_.try_receive(room, error_).has_value();
            }
            if (error_) [[unlikely]]
                look_at(error_);
            return complete;
        }
        void send(std::span<const std::byte> message) {
            while (!try_send(message))
                sleep(ivshmem::channel_driver::for_room);
        }
        void receive(std::span<std::byte> room) {
            while (!try_receive(room))
                sleep(ivshmem::channel_driver::for_data);
        }

      private:
        static constexpr std::size_t largest_whole = ring_bytes / 4;

        void sleep(ivshmem::channel_driver::wake what) {
            if (ivshmem::channel_driver{channel_}.arm(what))
                static_cast<void>(device_.wait(0, std::chrono::seconds{1}, ignored_));
            ivshmem::channel_driver{channel_}.disarm();
        }
        void look_at(std::error_code ec) {
            if (ec != ivshmem::errc::not_connected)
                throw ivshmem::error{ec, "channel: " + ec.message()};
            channel_.update();
            std::this_thread::yield();
        }

        ivshmem::device device_;
        ivshmem::slot slot_;
        ivshmem::channel channel_;
        bool part_;
        std::size_t sent_ = 0;
        std::size_t received_ = 0;
        std::error_code error_;
        std::error_code ignored_;
    };

  private:
    request asked_;
    server_process server_;
};

} // namespace bench
