// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/share_protocol.hpp"
#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "descriptor_store.hpp"
#include "held_device.hpp"
#include "program.hpp"
#include "vector_router.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <istream>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ivshmem_share {

struct limits {
    std::size_t programs = 64;
    std::size_t programs_per_user = 0; ///< 0: no limit
};

/// Shares one device with the programs that connect to one socket. Runs in the io_context's only
/// thread.
class sharer {
  public:
    /// @param store May have the programs of an earlier process, which stay connected.
    sharer(boost::asio::io_context& io, ivshmem::unique_fd listening, held_device& device,
           descriptor_store& store, const limits& most);

    /// Disconnects all programs and accepts no more.
    void stop();
    /// Calls this when it has stopped, also because the device went away.
    void on_stop(std::function<void()> call) { stopped_ = std::move(call); }

  private:
    using descriptor = boost::asio::posix::stream_descriptor;
    using program_ptr = std::shared_ptr<program>;

    void accept();
    void accepted(ivshmem::unique_fd socket);
    [[nodiscard]] std::string no_room(const program& p) const;
    [[nodiscard]] std::string most_frequent() const;
    void read(const program_ptr& p);
    /// Handles what a program sent. Nothing in it is trusted.
    void handle(const program_ptr& p, const ivshmem::share_protocol::packet& packet);
    void join(const program_ptr& p, std::uint32_t version);
    void send_vectors(const program_ptr& p);
    void list(const program_ptr& to);
    void go_on_listing(const program_ptr& to);
    /// Sends a packet; drops a program that does not read.
    void send(const program_ptr& p, const ivshmem::share_protocol::packet& packet,
              std::span<const int> fds = {});
    void refuse(const program_ptr& p, std::errc why, const std::string& message);
    void drop(const program_ptr& p, const std::string& why);

    // sharer_slots.cpp
    void take_slot(const program_ptr& p, std::uint32_t slot);
    void give_slot(program& p, std::uint32_t slot);
    /// Takes back the slots of a program that left, and the state that it may have left.
    void take_back_slots(program& p);

    // sharer_state.cpp
    void restore();
    [[nodiscard]] program_ptr restored(std::uint64_t number, std::istream& words);
    void keep(const program& p);
    void forget(const program& p);
    void write_state();

    // sharer_device.cpp
    void watch_device();
    void watch_vector(std::uint32_t vector);
    void read_events();
    /// Lets the programs close the device before the service does.
    void lose_device(const std::string& why);

    boost::asio::io_context& io_;
    descriptor listening_;
    boost::asio::steady_timer accept_pause_;
    boost::asio::steady_timer last_;
    held_device& device_;
    descriptor_store& store_;
    std::uint64_t next_number_ = 0;
    limits most_;
    vector_router vectors_;
    std::vector<descriptor> waits_; ///< duplicates: the device's own descriptors stay its own
    std::unique_ptr<descriptor> events_;
    std::vector<program_ptr> programs_;
    std::map<std::uint32_t, program_ptr> holders_; ///< of slots
    std::function<void()> stopped_;
    bool accept_paused_ = false;
    bool device_lost_ = false;
};

} // namespace ivshmem_share
