// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "broker_settings.hpp"
#include "outgoing.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <mosquitto.h>

namespace ivshmem_gateway {

/// The most messages that are on their way to the broker at once.
inline constexpr int send_window = 64;

/// The answer of a broker to CONNECT.
struct connack {
    int reason = 0; ///< a reason code of MQTT 5; 0: accepted
    bool session_present = false;
    std::uint16_t receive_maximum = 65535;
    int maximum_qos = 2;
    bool retain_available = true;
    std::uint32_t maximum_packet = 0; ///< 0: no limit
    std::string reason_text{};
};

/// Gets what happens in calls of mqtt_client::read() and write(). Must call nothing of the client.
class mqtt_events {
  public:
    virtual void on_connack(const connack& answer) = 0;
    /// @param reason A reason code that the broker sent; 0: none.
    virtual void on_disconnect(int reason) = 0;
    /// A message was written (QoS 0), or PUBACK or PUBCOMP has arrived.
    virtual void on_published(int id, int reason) = 0;
    virtual void on_message(std::string_view topic, std::span<const std::byte> payload) = 0;
    /// @param reason The worst of the reason codes of a subscription.
    virtual void on_subscribed(int id, int reason) = 0;

  protected:
    ~mqtt_events() = default;
};

/// libmosquitto as a client of MQTT 5, on a local socket that broker_link carries to the broker.
class mqtt_client {
  public:
    /// @throws std::bad_alloc, std::runtime_error.
    mqtt_client(const broker_settings& s, mqtt_events& to);
    ~mqtt_client();
    mqtt_client(const mqtt_client&) = delete;
    mqtt_client& operator=(const mqtt_client&) = delete;

    /// Sends CONNECT into a new pair of sockets. Reads the files of the credentials.
    /// @return The other socket.
    ivshmem::unique_fd connect(ivshmem::failure& f);
    /// The own socket, to wait for it; -1 if there is none.
    [[nodiscard]] int socket() const;
    [[nodiscard]] bool wants_write() const;

    /// @name Each returns an error of libmosquitto, or 0.
    /// @{

    /// Handles packets that have arrived, a bounded number.
    int read();
    int write();
    /// Sends a PINGREQ if one is due; call it a few times in keep_alive.
    int keep_alive();
    /// @param id Is set before on_published() is called, which may happen in this call.
    int publish(const outgoing& message, int qos, bool retain, int& id);
    /// @param options As libmosquitto's, of MQTT 5.
    int subscribe(const std::string& filter, int qos, int options, int& id);
    int disconnect();
    /// @}

  private:
    struct callbacks;
    struct deleter {
        void operator()(::mosquitto* m) const { ::mosquitto_destroy(m); }
    };

    void set_credentials(ivshmem::failure& f);

    const broker_settings& settings_;
    mqtt_events& events_;
    std::unique_ptr<::mosquitto, deleter> client_;
};

} // namespace ivshmem_gateway
