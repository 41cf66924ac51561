// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "must_hold.hpp"
#include "schedule.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>
#include <ivshmem/service_directory.hpp>
#include <ivshmem/slot.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <system_error>
#include <vector>

namespace test {

/// Uses a slot and one channel in all ways that the documentation allows.
class player {
  public:
    /// @param heartbeat Of its slot.
    /// @param disturb Called while the library copies.
    player(const ivshmem::device& device, std::uint32_t slot, std::chrono::milliseconds heartbeat,
           std::function<void()> disturb);

    /// Performs one operation, which the schedule decides.
    void play(schedule& what);
    /// Opens an ended channel again.
    void start_again();
    [[nodiscard]] ivshmem::channel_state state() const { return channel_.state(); }
    /// Returns whether one side has reported that the other broke the rules.
    [[nodiscard]] bool accuses() const {
        return state() == ivshmem::channel_state::poisoned ||
               state() == ivshmem::channel_state::rejected;
    }
    [[nodiscard]] std::chrono::milliseconds heartbeat() const { return heartbeat_; }

  private:
    static constexpr std::size_t longest = 4096; ///< message

    void claim();
    void open(schedule& what);
    void send(schedule& what);
    void send_on(schedule& what);
    void send_whole(schedule& what);
    void send_batch(schedule& what);
    void receive(schedule& what);
    void receive_on(std::size_t capacity);
    void receive_whole(schedule& what);
    void look(schedule& what);
    void sleep(schedule& what);
    void use_slot(schedule& what);
    void end(schedule& what);
    void keep();
    void expect(const std::error_code& ec) const;

    const ivshmem::device& device_;
    std::uint32_t number_;
    std::chrono::milliseconds heartbeat_;
    std::function<void()> disturb_;
    ivshmem::slot slot_;
    ivshmem::channel channel_;
    std::vector<std::byte> buffer_;
    std::size_t size_ = 0;     ///< of the message that is sent in parts; 0: none
    std::size_t sent_ = 0;     ///< of it
    std::size_t received_ = 0; ///< of the message under way
};

} // namespace test
