// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"
#include "server_process.hpp"

#include <ivshmem/topic_reader.hpp>
#include <ivshmem/topic_writer.hpp>

#include <chrono>

namespace bench {

/// Topics of this project: each of two peers writes one, which the other reads. There and back
/// only: a writer does not wait for a reader, so one way would lose messages.
class topic_transport {
  public:
    static constexpr std::string_view name = "topic";

    explicit topic_transport(const request& asked)
        : asked_{asked}, server_{std::size_t{16} << 20U} {
        if (asked.what != measured::roundtrip)
            throw unsupported{"a topic's writer waits for nobody; bench-topics measures it"};
    }

    class end {
      public:
        end(topic_transport& made, side mine)
            : device_{ivshmem::device::open(made.server_.selector(), {.vectors = 1})},
              slot_{ivshmem::slot::claim(device_,
                                         {.number = mine == side::first ? 0 : 1,
                                          .geometry = ivshmem::region_geometry{2, 1, 1024}})},
              out_{ivshmem::topic_writer::create(slot_, mine == side::first ? "there" : "back",
                                                 {.size = std::size_t{6} << 20U})},
              in_{ivshmem::topic_reader::open(
                  slot_, mine == side::first ? "back" : "there",
                  {.history = 1, .polling = made.asked_.wait == waiting::spin})} {}

        bool try_send(std::span<const std::byte> message) {
            out_.publish(message);
            return true;
        }
        bool try_receive(std::span<std::byte> room) {
            const auto view = in_.try_view();
            return view && view->bytes.size() == room.size() && in_.copy_out(*view, room);
        }
        void send(std::span<const std::byte> message) { out_.publish(message); }
        void receive(std::span<std::byte> room) {
            while (!try_receive(room)) {
                std::error_code ignored;
                if (in_.arm())
                    static_cast<void>(device_.wait(0, std::chrono::milliseconds{100}, ignored));
                in_.disarm();
            }
        }

      private:
        ivshmem::device device_;
        ivshmem::slot slot_;
        ivshmem::topic_writer out_;
        ivshmem::topic_reader in_;
    };

  private:
    request asked_;
    server_process server_;
};

} // namespace bench
