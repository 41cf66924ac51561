// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "mqtt_client.hpp"

#include "rendezvous.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <mqtt_protocol.h>
#include <unistd.h>

namespace ivshmem_gateway {
namespace {

using ivshmem::failure;
using ivshmem::unique_fd;

/// Messages of QoS 1 and 2 from the broker that wait for its next packet, which the library keeps.
constexpr int receive_maximum = 32;
/// Calls of the library after which other handlers run.
constexpr int share = 16;
/// A user name or a password in a file, in bytes.
constexpr std::size_t longest_credential = 65535;

/// A list of properties of MQTT 5.
class properties {
  public:
    properties() = default;
    properties(const properties&) = delete;
    properties& operator=(const properties&) = delete;
    ~properties() { ::mosquitto_property_free_all(&list_); }

    void add_number(int id, std::uint32_t value) {
        must(::mosquitto_property_add_int32(&list_, id, value));
    }
    void add_pair(const char* name, const std::string& value) {
        must(::mosquitto_property_add_string_pair(&list_, MQTT_PROP_USER_PROPERTY, name,
                                                  value.c_str()));
    }
    [[nodiscard]] const mosquitto_property* list() const { return list_; }

  private:
    static void must(int failed) {
        if (failed == MOSQ_ERR_NOMEM)
            throw std::bad_alloc{};
    }

    mosquitto_property* list_ = nullptr;
};

/// Reads a file with one line.
std::string read_line(const std::string& path, failure& f) {
    const unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!file) {
        f.set_errno(errno, "{}: cannot read the credential; check the path and its permissions",
                    path);
        return {};
    }
    std::string text(longest_credential + 1, '\0');
    const auto size =
        ivshmem::retry_eintr([&] { return ::read(file.get(), text.data(), text.size()); });
    if (size < 0) {
        f.set_errno(errno, "{}: cannot read the credential", path);
        return {};
    }
    text.resize(static_cast<std::size_t>(size));
    text.resize(std::min(text.find_first_of("\r\n"), text.size()));
    if (text.empty() || text.size() > longest_credential || text.find('\0') != std::string::npos)
        f.set(std::make_error_code(std::errc::invalid_argument),
              path + ": a credential is one line of 1 to 65535 bytes");
    return text;
}

std::string reason_text_of(const mosquitto_property* from) {
    char* text = nullptr;
    ::mosquitto_property_read_string(from, MQTT_PROP_REASON_STRING, &text, false);
    const std::unique_ptr<char, void (*)(void*)> owned{text, ::free};
    std::string result = text != nullptr ? text : "";
    result.resize(std::min<std::size_t>(result.size(), 200));
    std::replace_if(
        result.begin(), result.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
    return result;
}

} // namespace

struct mqtt_client::callbacks {
    static mqtt_events& of(void* self) { return static_cast<mqtt_client*>(self)->events_; }

    static void on_connect(::mosquitto*, void* self, int reason, int flags,
                           const mosquitto_property* more) {
        connack answer{.reason = reason, .session_present = (flags & 1) != 0};
        std::uint8_t byte = 0;
        if (::mosquitto_property_read_byte(more, MQTT_PROP_MAXIMUM_QOS, &byte, false) != nullptr)
            answer.maximum_qos = byte;
        if (::mosquitto_property_read_byte(more, MQTT_PROP_RETAIN_AVAILABLE, &byte, false) !=
            nullptr)
            answer.retain_available = byte != 0;
        ::mosquitto_property_read_int16(more, MQTT_PROP_RECEIVE_MAXIMUM, &answer.receive_maximum,
                                        false);
        ::mosquitto_property_read_int32(more, MQTT_PROP_MAXIMUM_PACKET_SIZE, &answer.maximum_packet,
                                        false);
        answer.reason_text = reason_text_of(more);
        of(self).on_connack(answer);
    }
    static void on_disconnect(::mosquitto*, void* self, int reason, const mosquitto_property*) {
        of(self).on_disconnect(reason);
    }
    static void on_publish(::mosquitto*, void* self, int id, int reason,
                           const mosquitto_property*) {
        of(self).on_published(id, reason);
    }
    static void on_message(::mosquitto*, void* self, const mosquitto_message* message,
                           const mosquitto_property*) {
        of(self).on_message(message->topic, {static_cast<const std::byte*>(message->payload),
                                             static_cast<std::size_t>(message->payloadlen)});
    }
    static void on_subscribe(::mosquitto*, void* self, int id, int count, const int* granted,
                             const mosquitto_property*) {
        of(self).on_subscribed(id, count == 0 ? 0 : *std::max_element(granted, granted + count));
    }
};

mqtt_client::mqtt_client(const broker_settings& s, mqtt_events& to) : settings_{s}, events_{to} {
    [[maybe_unused]] static const int once = ::mosquitto_lib_init();
    client_.reset(::mosquitto_new(s.client_id.c_str(), false, this));
    if (!client_)
        throw std::runtime_error{"libmosquitto: cannot make a client with the id \"" + s.client_id +
                                 "\"; choose another client-id"};
    ::mosquitto* const m = client_.get();
    ::mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    ::mosquitto_int_option(m, MOSQ_OPT_RECEIVE_MAXIMUM, receive_maximum);
    ::mosquitto_connect_v5_callback_set(m, &callbacks::on_connect);
    ::mosquitto_disconnect_v5_callback_set(m, &callbacks::on_disconnect);
    ::mosquitto_publish_v5_callback_set(m, &callbacks::on_publish);
    ::mosquitto_message_v5_callback_set(m, &callbacks::on_message);
    ::mosquitto_subscribe_v5_callback_set(m, &callbacks::on_subscribe);
}

mqtt_client::~mqtt_client() = default;

void mqtt_client::set_credentials(failure& f) {
    if (settings_.user.empty())
        return;
    const bool has_password = !settings_.password_file.empty();
    const std::string password =
        has_password ? read_line(settings_.password_file, f) : std::string{};
    if (f)
        return;
    const int refused = ::mosquitto_username_pw_set(client_.get(), settings_.user.c_str(),
                                                    has_password ? password.c_str() : nullptr);
    if (refused != 0)
        f.set(std::make_error_code(std::errc::invalid_argument),
              std::string{"--user: not a user name: "} + ::mosquitto_strerror(refused));
}

unique_fd mqtt_client::connect(failure& f) {
    set_credentials(f);
    if (f)
        return {};
    const rendezvous at{f};
    if (f)
        return {};
    properties more;
    more.add_number(MQTT_PROP_SESSION_EXPIRY_INTERVAL,
                    static_cast<std::uint32_t>(settings_.session.count()));
    more.add_number(MQTT_PROP_MAXIMUM_PACKET_SIZE, settings_.longest_packet);
    ::mosquitto* const m = client_.get();
    // CONNACK lowers it, for that connection only.
    ::mosquitto_int_option(m, MOSQ_OPT_SEND_MAXIMUM, send_window);
    const int failed = ::mosquitto_connect_bind_v5(m, at.path().c_str(), 0,
                                                   static_cast<int>(settings_.keep_alive.count()),
                                                   nullptr, more.list());
    if (failed > 0) {
        f.set(std::make_error_code(std::errc::io_error),
              settings_.name() + ": libmosquitto cannot begin a connection: " +
                  (failed == MOSQ_ERR_ERRNO ? ivshmem::errno_code(errno).message()
                                            : ::mosquitto_strerror(failed)));
        return {};
    }
    return at.accept(f);
}

int mqtt_client::socket() const {
    return ::mosquitto_socket(client_.get());
}

bool mqtt_client::wants_write() const {
    return ::mosquitto_want_write(client_.get());
}

int mqtt_client::read() {
    for (int i = 0; i < share; ++i) {
        errno = 0;
        if (const int failed = ::mosquitto_loop_read(client_.get(), 1); failed != 0)
            return failed;
        if (errno == EAGAIN || socket() < 0)
            break;
    }
    return 0;
}

int mqtt_client::write() {
    return ::mosquitto_loop_write(client_.get(), 1);
}

int mqtt_client::keep_alive() {
    return ::mosquitto_loop_misc(client_.get());
}

int mqtt_client::publish(const outgoing& message, int qos, bool retain, int& id) {
    properties more;
    more.add_pair("ivshmem-origin", message.origin);
    more.add_pair("ivshmem-sequence", std::to_string(message.sequence));
    more.add_pair("ivshmem-time", std::to_string(message.time.count()));
    if (message.skipped != 0)
        more.add_pair("ivshmem-skipped", std::to_string(message.skipped));
    return ::mosquitto_publish_v5(client_.get(), &id, message.topic.c_str(),
                                  static_cast<int>(message.payload.size()), message.payload.data(),
                                  qos, retain, more.list());
}

int mqtt_client::subscribe(const std::string& filter, int qos, int options, int& id) {
    return ::mosquitto_subscribe_v5(client_.get(), &id, filter.c_str(), qos, options, nullptr);
}

int mqtt_client::disconnect() {
    return ::mosquitto_disconnect_v5(client_.get(), 0, nullptr);
}

} // namespace ivshmem_gateway
