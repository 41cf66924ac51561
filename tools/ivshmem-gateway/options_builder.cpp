// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options_builder.hpp"

#include "base/text.hpp"
#include "connections/slot_list.hpp"
#include "credential.hpp"
#include "names.hpp"
#include "service/device_settings.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <system_error>

namespace ivshmem_gateway {
namespace {

using ivshmem::failure;
using named = options_builder::named;
using service::number_of;
using service::size_of;

constexpr std::uint32_t any_number = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t any_size = std::uint64_t{1} << 40U;
constexpr std::uint64_t longest_payload = std::uint64_t{255} << 20U; ///< MQTT: 256 MiB a packet

bool is_one_of(std::string_view key, std::initializer_list<std::string_view> keys) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// Text of a setting that goes to the broker.
std::string text_of(const named& s, failure& f) {
    if (const auto fault = text_fault(s.value); s.value.empty() || !fault.empty())
        refuse(s, s.value.empty() ? "it is empty" : std::string{fault}, f);
    else if (s.value.size() > longest_mqtt)
        refuse(s, "it is longer than 65535 bytes", f);
    return s.value;
}

std::string file_of(const named& s, failure& f) {
    std::string why;
    auto path = path_of(s.value, s.in_file, why);
    if (!why.empty())
        refuse(s, why, f);
    return path;
}

} // namespace

void options_builder::take(const named& s, failure& f) {
    if (s.key == "out" || s.key == "in")
        return begin_rule(s, f);
    const bool of_out = s.key == "allow";
    const bool of_in = is_one_of(s.key, {"size", "messages", "topics"});
    if (!of_out && !of_in && !is_one_of(s.key, {"to", "qos", "retain"}))
        return take_global(s, f);
    const auto way = result_.rules.empty() ? direction::out : result_.rules.back().way;
    if (!open_ || (of_out && way == direction::in) || (of_in && way == direction::out)) {
        const char* const first = of_out ? "out" : of_in ? "in" : "out or in";
        return refuse(s, ivshmem::formatted("it follows {}, which begins a rule", first), f);
    }
    if (const auto [at, fresh] = of_rule_.emplace(s.key, s.where); !fresh)
        return refuse(s, "it is already set for this rule: " + at->second, f);
    take_of_rule(s, f);
}

void options_builder::take_global(const named& s, failure& f) {
    of_program_.take(s, f);
    if (f || service::take_device_setting(s, of_program_, result_.common, result_.place, f))
        return;
    if (s.key.starts_with("slot-") || s.key.starts_with("queue-") || s.key == "max-message")
        take_limit(s, f);
    else
        take_broker(s, f);
}

void options_builder::take_broker(const named& s, failure& f) {
    auto& b = result_.broker;
    if (s.key == "broker") {
        b.host = text_of(s, f);
    } else if (s.key == "port") {
        port_ = static_cast<std::uint16_t>(number_of(s, 1, 65535, f));
    } else if (s.key == "client-id") {
        b.client_id = text_of(s, f);
    } else if (s.key == "session") {
        b.session = std::chrono::seconds{number_of(s, 0, any_number, f)};
    } else if (s.key == "keepalive") {
        b.keep_alive = std::chrono::seconds{number_of(s, 5, 65535, f)};
    } else if (s.key == "tls") {
        b.tls = s.value == "true";
    } else if (s.key == "ca") {
        b.ca_file = file_of(s, f);
    } else if (s.key == "cert") {
        b.certificate_file = file_of(s, f);
    } else if (s.key == "key") {
        b.key_file = file_of(s, f);
    } else if (s.key == "user") {
        b.user = text_of(s, f);
    } else if (s.key == "password-file") {
        b.password_file = file_of(s, f);
    }
}

void options_builder::take_limit(const named& s, failure& f) {
    auto& each = result_.each_slot;
    if (s.key == "slot-topics") {
        each.topics = number_of(s, 0, any_number, f);
    } else if (s.key == "slot-retained") {
        each.retained = number_of(s, 0, any_number, f);
    } else if (s.key == "slot-messages") {
        each.messages = number_of(s, 0, any_number, f);
    } else if (s.key == "slot-bytes") {
        each.bytes = size_of(s, 0, any_size, f);
    } else if (s.key == "queue-messages") {
        result_.broker.queue_messages = number_of(s, 1, any_number, f);
    } else if (s.key == "queue-bytes") {
        result_.broker.queue_bytes = size_of(s, 1, any_size, f);
    } else if (s.key == "max-message") {
        result_.max_message = size_of(s, 1, longest_payload, f);
    }
}

void options_builder::begin_rule(const named& s, failure& f) {
    end_source(f);
    if (f)
        return;
    const auto way = s.key == "out" ? direction::out : direction::in;
    for (const auto& other : result_.rules)
        if (other.way == way && other.pattern == s.value)
            return refuse(s, s.value + ": it has a rule already: " + other.where, f);
    open_ = true;
    of_rule_.clear();
    of_rule_.emplace(s.key, s.where);
    result_.rules.push_back({.where = s.where, .way = way, .pattern = s.value});
    result_.rules.back().retain = way == direction::in;
}

void options_builder::take_of_rule(const named& s, failure& f) {
    auto& into = result_.rules.back();
    constexpr std::uint32_t most_messages = 65536; // topic_options
    constexpr std::uint32_t most_topics = 16;      // of a slot: topic_writer
    if (s.key == "to") {
        into.to = s.value;
    } else if (s.key == "qos") {
        into.qos = static_cast<int>(number_of(s, 0, 2, f));
    } else if (s.key == "retain") {
        if (s.value != "true" && s.value != "false")
            refuse(s, "it takes true or false", f);
        into.retain = s.value == "true";
    } else if (s.key == "size") {
        into.size = size_of(s, 64, std::uint64_t{4} << 30U, f);
    } else if (s.key == "messages") {
        into.messages = number_of(s, 1, most_messages, f);
    } else if (s.key == "topics") {
        into.topics = number_of(s, 1, most_topics, f);
    } else {
        into.allowed = connections::parse_slots(s.value);
        if (!into.allowed)
            refuse(s, ivshmem::formatted("\"{}\"{}", s.value, connections::is_no_slot_list), f);
    }
}

void options_builder::end_source(failure& f) {
    if (!std::exchange(open_, false) || f)
        return;
    const auto& r = result_.rules.back();
    std::string fault = of_rule_.contains("to")
                            ? rule_fault(r)
                            : "it needs to, the name on the other side, or what it begins with";
    if (!fault.empty())
        f.set(std::make_error_code(std::errc::invalid_argument), r.where + ": " + fault);
}

void options_builder::finish(failure& f) {
    if (f)
        return;
    auto& b = result_.broker;
    const auto bad = [&](const std::string& why) {
        f.set(std::make_error_code(std::errc::invalid_argument), why);
    };
    if (result_.rules.empty())
        return bad(
            "nothing is mapped; use --out and --to, or --in and --to, or write them to a file, "
            "as in /etc/ivshmem/gateway.d/plant.conf");
    if (b.certificate_file.empty() != b.key_file.empty())
        return bad("cert and key are set together: the certificate of this client, and its key");
    if (!b.ca_file.empty() || !b.certificate_file.empty())
        b.tls = true;
    if (!b.password_file.empty() && b.user.empty())
        return bad("password-file is set, and user is not");
    for (const auto* path : {&b.ca_file, &b.certificate_file, &b.key_file, &b.password_file})
        if (!result_.check && lacks_directory(*path))
            return bad(*path + ": CREDENTIALS_DIRECTORY is not set; only a service has it, with "
                               "LoadCredential= in its unit");
    constexpr std::uint32_t around_payload = std::uint32_t{128} << 10U; // the name and properties
    b.longest_packet = static_cast<std::uint32_t>(result_.max_message) + around_payload;
    b.port = port_.value_or(b.tls ? 8883 : 1883);
}

} // namespace ivshmem_gateway
