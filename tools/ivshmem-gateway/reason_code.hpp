// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace ivshmem_gateway {

/// The lowest reason code of MQTT 5 that is an error.
inline constexpr int first_error_code = 0x80;

/// Returns what a reason code of MQTT 5 means (section 2.4 of the specification), with its number.
[[nodiscard]] std::string words_for_reason(int code);
/// Returns what to try after a broker has refused the connection for this reason.
[[nodiscard]] std::string advice_for_reason(int code);

} // namespace ivshmem_gateway
