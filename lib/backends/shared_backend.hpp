// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "backends/registers.hpp"
#include "backends/share_protocol.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"

#include <atomic>
#include <chrono>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace ivshmem {

/// A device that ivshmem-share has open and shares with the programs of this machine. If it is of
/// ivshmem-v2, shared_v2_backend uses this for what it has in common with one of v1. Memory and
/// registers are mapped here, interrupts arrive in this process's own eventfds, and the connection
/// carries only what is rare. No thread reads it: a caller that waits does, as in server_backend.
class shared_backend final : public backend {
  public:
    /// Returns the path of the service's socket for a device.
    static std::filesystem::path socket_of(const std::filesystem::path& root,
                                           const pci_address& address);
    /// @param info The device, as this process sees it; empty: found by the service's word.
    /// @param trusted Whether the user has named the socket; else it must be root's.
    static std::unique_ptr<backend> open(const std::string& path,
                                         const std::optional<device_info>& info, bool trusted,
                                         const open_options& options, failure& f);

    /// Gives access to an ivshmem-v2 device.
    struct v2_access {
        v2_layout layout;
        std::uint16_t protocol = 0;
        unique_fd memory; ///< all sections
        volatile std::uint32_t* registers = nullptr;
    };
    /// Empty on ivshmem-v1.
    [[nodiscard]] const std::optional<v2_access>& v2() const { return v2_; }
    /// Reads what waits to be read. Fails if the device goes away, or the service has ended.
    void check(failure& f);

    void ring(std::uint16_t peer, std::uint16_t vector, failure& f) override;
    [[nodiscard]] int rings_fd(std::uint32_t vector) const override;
    [[nodiscard]] int attention_fd() const override { return attention_.get(); }
    void watch(std::uint32_t vector, failure& f) override;
    std::uint64_t take(std::uint32_t vector, failure& f) override;
    [[nodiscard]] int event_fd() const override { return events_fd_.get(); }
    std::optional<event> next_event(failure& f) override;
    void reserve_slot(std::uint32_t slot, failure& f) override;
    void release_slot(std::uint32_t slot) noexcept override;
    std::vector<device_user> users(failure& f) override;

  private:
    using clock = std::chrono::steady_clock;

    shared_backend(std::string path, std::chrono::milliseconds timeout);
    void check_service(failure& f) const;
    void join(const open_options& options, const std::optional<device_info>& info, failure& f);
    void take_facts(const share_protocol::facts& device, const std::optional<device_info>& info,
                    const open_options& options, failure& f);
    void map_parts(const share_protocol::facts& device, std::vector<unique_fd> fds,
                   const open_options& options, failure& f);
    void map_memory(const share_protocol::facts& device, int fd, const open_options& options,
                    failure& f);
    void map_registers(const share_protocol::facts& device, int fd, failure& f);
    void take_vectors(share_protocol::received& message, failure& f);

    /// Sends a packet; waits for room in the socket's buffer, but not for long.
    void send(const share_protocol::packet& p, failure& f);
    /// Waits for the next packet. @return false with f set
    bool receive_one(share_protocol::received& into, clock::time_point until, failure& f);
    /// Sends a request, and returns its answer. Events that come before it are kept.
    std::optional<share_protocol::packet> ask(const share_protocol::packet& request,
                                              share_protocol::packet_kind answer, failure& f);
    /// Reads all pending packets. A failure is stored in end_.
    void read_socket();
    void handle(const share_protocol::packet& p);
    void end(share_protocol::arrival how);
    /// Makes events_fd_ readable while next_event() has something to return.
    void update_pending();

    std::string path_;
    const std::chrono::milliseconds timeout_;
    unique_fd socket_;
    mapping bar0_;
    mapping memory_;
    registers registers_;
    std::optional<v2_access> v2_;
    std::vector<unique_fd> vectors_;
    std::unique_ptr<std::atomic<bool>[]> watched_; // NOLINT: a vector needs movable elements
    unique_fd over_; ///< an eventfd, signalled for good once no interrupt arrives any more
    unique_fd attention_;

    mutable std::mutex mutex_; ///< guards all members below, and the socket
    std::deque<event> queue_;
    bool removed_ = false;
    failure end_; ///< the reason why the connection has ended
    unique_fd pending_;
    unique_fd events_fd_;
};

} // namespace ivshmem
