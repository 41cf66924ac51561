// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "connections/carrier.hpp"
#include "connections/service.hpp"
#include "local_listener.hpp"
#include "options.hpp"

#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/slot.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

namespace ivshmem_forward {

/// Joins the clients of a local socket to the service of a peer.
///
/// There is a channel to the peer while there are clients, and a moment longer: a lane is not held
/// for nothing, and without clients nothing wakes up.
///
/// Must outlive the run of its event loop.
class listening {
  public:
    struct hooks {
        std::function<void()> ended;   ///< is_over() has become true
        std::function<void()> no_lane; ///< others should give_lane_back()
    };

    listening(ivshmem::asio::slot& from, const listened& asked, hooks h, ivshmem::failure& f);

    void start();
    /// Ends all connections, and listens no more.
    void stop();
    /// Closes the channel if it has no connections.
    void give_lane_back();
    /// Whether no channel is open or being opened.
    [[nodiscard]] bool is_over() const { return !connecting_; }

  private:
    using clock = std::chrono::steady_clock;

    /// A client that waits for the service.
    struct client {
        connections::end_point end;
        std::string who;
        clock::time_point until;
    };

    void take(int socket, const std::string& who);
    void pass_on(client c);
    void pass_on_all();
    void refuse(client c, const std::string& why);
    void refuse_all(const std::string& why);
    void watch_patience();
    void refuse_impatient();
    void watch_idle();
    void watch_answer();
    [[nodiscard]] bool is_idle() const;
    [[nodiscard]] std::optional<std::uint32_t> next_slot() const;
    [[nodiscard]] std::string why_absent() const;
    boost::asio::awaitable<void> connect_while_needed();
    boost::asio::awaitable<bool> carry(ivshmem::asio::channel channel);

    ivshmem::asio::slot& slot_;
    listened asked_;
    std::string name_; ///< of the service
    hooks hooks_;
    local_listener listener_;
    std::deque<client> waiting_{};
    connections::carrier_ptr carrier_{};
    std::uint32_t open_ = 0;
    boost::asio::steady_timer patience_; ///< of the client that has waited longest
    boost::asio::steady_timer idle_;
    boost::asio::steady_timer answer_; ///< of one peer of several
    boost::asio::steady_timer retry_;
    boost::asio::cancellation_signal stop_connecting_{};
    std::size_t silent_ = 0; ///< peers that did not answer, of several that offer the service
    bool ready_ = false;     ///< the peer has greeted: the carrier takes connections
    bool no_lane_ = false;
    bool connecting_ = false;
    bool stopping_ = false;
};

} // namespace ivshmem_forward
