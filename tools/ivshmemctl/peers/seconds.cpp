// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/seconds.hpp"

#include <charconv>
#include <cstdint>
#include <system_error>

namespace ivshmemctl {

void add_seconds(subcommand& sub, const option_text& text,
                 std::optional<std::chrono::nanoseconds>& value) {
    sub.add_option(text, [&value, name = text.names](const std::string& given) {
        constexpr double year = 366.0 * 24 * 3600;
        double seconds = -1;
        const char* const end = given.data() + given.size();
        const auto [rest, error] = std::from_chars(given.data(), end, seconds);
        if (error != std::errc{} || rest != end || !(seconds >= 0 && seconds <= year))
            throw usage_error{name + ": takes seconds, up to a year of them, such as 2.5"};
        value = std::chrono::nanoseconds{static_cast<std::int64_t>(seconds * 1e9)};
    });
}

} // namespace ivshmemctl
