// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backoff.hpp"
#include "base/failure.hpp"
#include "broker_link.hpp"
#include "broker_settings.hpp"
#include "mqtt_client.hpp"
#include "outbox.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ivshmem_gateway {

/// The connection to a broker, which comes back whenever it was lost, and the messages that wait
/// for it.
///
/// Must outlive the run of its event loop.
class broker final : private mqtt_events {
  public:
    /// What has become of a message.
    enum class fate {
        delivered, ///< QoS 0: it was sent. QoS 1 and 2: PUBACK or PUBCOMP has arrived.
        no_room,   ///< QoS 0: the queue was full
        too_large, ///< for the broker's Maximum Packet Size
        refused,   ///< by the broker
    };
    struct subscription {
        std::string filter;
        int qos = 1;
        bool retained = false; ///< takes messages that the broker retained
    };
    struct hooks {
        std::function<void(std::string_view topic, std::span<const std::byte> payload)> message;
        /// @param why For a line of log; empty if it was delivered.
        std::function<void(const outgoing& message, fate what, const std::string& why)> done;
        std::function<void()> ended; ///< after stop(); run() returns, unless it waits for a name
    };

    /// @param s Must outlive the broker.
    broker(const boost::asio::any_io_executor& on, const broker_settings& s,
           std::vector<subscription> subscriptions, hooks h);

    /// Connects, again and again, until stop().
    boost::asio::awaitable<void> run();
    /// Connects, and takes messages; all that the broker retained is taken again. As at first.
    void join();
    /// Sends what is in the queue, for flush_time at most, and disconnects until join(). The broker
    /// keeps the session.
    void leave();
    /// As leave(), and then run() returns.
    void stop();

    /// Queues a message. If it has QoS 0 and there is no room, it is dropped.
    void publish(outgoing message);
    [[nodiscard]] bool has_room() const { return outbox_.has_room(); }
    /// Waits until there is room in the queue.
    boost::asio::awaitable<void> wait_for_room();

    /// The messages that were not delivered yet.
    [[nodiscard]] std::size_t waiting() const { return outbox_.count(); }
    /// Whether a name is being looked up, which nothing can stop.
    [[nodiscard]] bool is_resolving() const { return link_ && link_->is_resolving(); }

  private:
    void on_connack(const connack& answer) override;
    void on_disconnect(int reason) override;
    void on_published(int id, int reason) override;
    void on_message(std::string_view topic, std::span<const std::byte> payload) override;
    void on_subscribed(int id, int reason) override;

    using clock = std::chrono::steady_clock;

    /// The state of one connection.
    struct conversation {
        connack answer{};
        bool answered = false; ///< accepted
        bool joined = false;
        bool writing = false;    ///< waits to write
        bool publishing = false; ///< in a call of the client
        int early = -1;          ///< the id of a message that was published during that call
        std::map<int, std::string> subscribing{}; ///< filters by the id of SUBSCRIBE
        int closing_reason = 0;                   ///< that the broker gave
        std::string link_end{};
        bool leaving = false;   ///< DISCONNECT was sent
        bool less_qos = false;  ///< it was logged that the broker takes no higher QoS
        bool no_retain = false; ///< it was logged that the broker retains nothing
        bool again = false;     ///< another one follows at once
        bool over = false;
    };

    boost::asio::awaitable<void> converse(ivshmem::failure& f);
    void begin(ivshmem::failure& f);
    void overdue();
    void wait_to_read();
    void wait_to_write();
    void wait_to_beat();
    void after(int failed);
    void join_session();
    void end(int failed);
    void end_if_flushed();
    void subscribe();
    void pump();
    void send_next();
    void report_less(const outgoing& wanted, int qos, bool retain);
    void settle(const outgoing& message, fate what, const std::string& why);
    void report(const ivshmem::failure& f);
    [[nodiscard]] bool is_wanted() const { return wanted_ && !stopping_; }
    [[nodiscard]] std::string refusal() const;

    boost::asio::any_io_executor on_;
    const broker_settings& settings_;
    std::vector<subscription> subscriptions_;
    hooks hooks_;
    outbox outbox_;
    backoff backoff_;
    std::unique_ptr<mqtt_client> client_{}; ///< has the state of the session
    std::shared_ptr<broker_link> link_{};
    boost::asio::posix::stream_descriptor local_;
    boost::asio::steady_timer over_; ///< cancelled at the end of a conversation
    boost::asio::steady_timer beat_;
    boost::asio::steady_timer pause_; ///< between two tries
    boost::asio::steady_timer flush_;
    boost::asio::steady_timer room_; ///< cancelled when there is some
    clock::time_point over_at_{};
    conversation now_{};
    unsigned number_ = 0; ///< of the conversation
    std::exception_ptr thrown_{};
    std::string reported_{};

    bool used_ = false; ///< the client remembers a session
    bool wanted_ = true;
    bool stopping_ = false;
    bool flushed_ = false; ///< there is no more to wait for, or no more time
    bool all_retained_ = true;
};

} // namespace ivshmem_gateway
