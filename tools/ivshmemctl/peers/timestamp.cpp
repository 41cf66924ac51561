// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/timestamp.hpp"

#include "common/print.hpp"

#include <array>
#include <cstdint>
#include <ctime>

namespace ivshmemctl {

timestamp timestamp::now() {
    return {std::chrono::system_clock::now().time_since_epoch(),
            std::chrono::steady_clock::now().time_since_epoch()};
}

std::string in_seconds(std::chrono::nanoseconds time) {
    // A peer may say any time, also one before 1970.
    const bool before = time.count() < 0;
    const auto count = static_cast<std::uint64_t>(time.count());
    const std::uint64_t size = before ? 0 - count : count;
    return tools::format("{}{}.{:09}", before ? "-" : "", size / 1'000'000'000,
                         size % 1'000'000'000);
}

std::string in_local_time(std::chrono::nanoseconds since_epoch) {
    const auto seconds = static_cast<std::time_t>(since_epoch.count() / 1'000'000'000);
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    std::array<char, 32> day{};
    std::array<char, 8> zone{};
    std::strftime(day.data(), day.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::strftime(zone.data(), zone.size(), "%z", &parts);
    return tools::format("{}.{:09}{}", day.data(), since_epoch.count() % 1'000'000'000,
                         zone.data());
}

} // namespace ivshmemctl
