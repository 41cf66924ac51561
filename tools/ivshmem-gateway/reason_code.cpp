// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "reason_code.hpp"

#include "base/text.hpp"

#include <mosquitto.h>
#include <mqtt_protocol.h>

namespace ivshmem_gateway {

std::string words_for_reason(int code) {
    return ivshmem::formatted("{} (reason code 0x{:02x})", ::mosquitto_reason_string(code), code);
}

std::string advice_for_reason(int code) {
    switch (code) {
    case MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION:
        return "it must speak MQTT 5; use a newer broker";
    case MQTT_RC_CLIENTID_NOT_VALID:
        return "set another client-id";
    case MQTT_RC_BAD_USERNAME_OR_PASSWORD:
    case MQTT_RC_NOT_AUTHORIZED:
    case MQTT_RC_BAD_AUTHENTICATION_METHOD:
        return "check the files of the user and the password, and what the broker lets this user "
               "do";
    case MQTT_RC_SERVER_UNAVAILABLE:
    case MQTT_RC_SERVER_BUSY:
    case MQTT_RC_QUOTA_EXCEEDED:
    case MQTT_RC_CONNECTION_RATE_EXCEEDED:
        return "it may have room later";
    case MQTT_RC_BANNED:
        return "ask its operator";
    case MQTT_RC_USE_ANOTHER_SERVER:
    case MQTT_RC_SERVER_MOVED:
        return "set the host of the other broker";
    case MQTT_RC_SESSION_TAKEN_OVER:
        return "another client has this client-id; set one that differs";
    default:
        return "its log may say more";
    }
}

} // namespace ivshmem_gateway
