// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "backends/server_protocol.hpp"
#include "base/doorbell_writer.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"
#include "base/wait_fds.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace ivshmem {

/// A connection to an ivshmem server: this process is a peer, like a VM.
///
/// There is no thread that reads the socket. A caller that needs something that the server may have
/// sent (an event, the peers, a peer that is not known yet) reads the pending messages first. So
/// does a caller that waits for a ring, because a server drops a client that does not read.
class server_backend final : public backend {
  public:
    static std::unique_ptr<backend> open(const std::string& path, const open_options& options,
                                         failure& f);

    void ring(std::uint16_t peer, std::uint16_t vector, failure& f) override;
    [[nodiscard]] int rings_fd(std::uint32_t vector) const override;
    [[nodiscard]] int attention_fd() const override { return attention_.get(); }
    std::uint64_t take(std::uint32_t vector, failure& f) override;
    [[nodiscard]] int event_fd() const override { return events_fd_.get(); }
    std::optional<event> next_event(failure& f) override;
    std::vector<std::uint16_t> peers(failure& f) override;
    [[nodiscard]] bool has_left(std::uint16_t id) override;
    [[nodiscard]] std::uint64_t departures() const noexcept override { return departures_; }
    [[nodiscard]] departure last_departure(std::uint16_t id) const override;
    void attend() override;
    /// Returns a descriptor of the whole memory.
    [[nodiscard]] int memory_fd() const noexcept { return memory_.get(); }

  private:
    explicit server_backend(std::string path);
    void join(const open_options& options, std::chrono::steady_clock::time_point deadline,
              failure& f);
    void map_memory(unique_fd fd, const open_options& options, failure& f);
    /// Reports a first message that is not protocol version 0.
    void refuse_version(const server_protocol::message& first, std::chrono::milliseconds settle,
                        failure& f);
    void set_other_protocol(const std::string& what, failure& f) const;
    [[nodiscard]] std::uint32_t vectors_of_others() const;

    /// Reads all pending messages. A failure is stored in end_.
    void read_socket();
    void handle(server_protocol::message message, failure& f);
    void add_vector(std::uint16_t id, unique_fd fd, failure& f);
    void remove_peer(std::uint16_t id, failure& f);
    void announce(event what);
    /// Makes events_fd_ readable exactly while next_event() has something to return.
    void update_pending();

    std::string path_;
    unique_fd socket_;
    server_protocol::receiver receiver_;
    unique_fd memory_;
    mapping map_;
    std::vector<unique_fd> own_;     ///< this process's eventfds, until all have arrived
    std::vector<unique_fd> vectors_; ///< the same, once all have come
    unique_fd attention_;            ///< an epoll descriptor over departed_ and the socket

    mutable std::mutex mutex_; ///< guards all members below: any thread may call ring()
    std::map<std::uint16_t, std::vector<unique_fd>> peers_; ///< their eventfds, by vector
    std::map<std::uint16_t, std::uint64_t> left_;           ///< the number of the last departure
    std::atomic<std::uint64_t> departures_{0};
    unique_fd departed_;        ///< an eventfd, signalled from a departure to the next take()
    bool has_departed_ = false; ///< whether it is signalled
    doorbell_writer doorbells_;
    std::deque<event> queue_;
    failure end_; ///< the reason why no more messages will arrive
    bool joined_ = false;
    unique_fd pending_; ///< an eventfd, signalled while queue_ or end_ is not empty
    unique_fd events_fd_;
};

} // namespace ivshmem
