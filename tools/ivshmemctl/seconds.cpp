// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "seconds.hpp"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <system_error>

namespace ivshmemctl {

CLI::Option* add_seconds(CLI::App& app, const std::string& name,
                         std::optional<std::chrono::nanoseconds>& value, const std::string& help) {
    const auto set = [&value, name](const std::string& text) {
        constexpr double year = 366.0 * 24 * 3600;
        double seconds = -1;
        const char* const end = text.data() + text.size();
        const auto [rest, error] = std::from_chars(text.data(), end, seconds);
        if (error != std::errc{} || rest != end || !(seconds >= 0 && seconds <= year))
            throw CLI::ValidationError{name + ": takes seconds, up to a year of them, such as 2.5"};
        value = std::chrono::nanoseconds{static_cast<std::int64_t>(seconds * 1e9)};
    };
    return app.add_option_function<std::string>(name, set, help)->type_name("SECONDS");
}

} // namespace ivshmemctl
