// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"
#include "channel/shared_words.hpp"
#include "helpers/catch.hpp"
#include "helpers/channel_meeting.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>
#include <ivshmem/service_directory.hpp>
#include <ivshmem/slot.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace test {

namespace layout = ivshmem::layout;
using ivshmem::channel;
using ivshmem::errc;
using ivshmem::slot;

/// Two slots, two lanes, rings of 1 KiB: small enough to be full soon.
inline constexpr ivshmem::region_geometry two_slots{2, 2, 1024};

inline std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span{text});
}

inline slot claim(const ivshmem::device& of, std::uint32_t number,
                  const ivshmem::region_geometry& g = two_slots) {
    ivshmem::slot_options options;
    options.number = number;
    options.geometry = g;
    return slot::claim(of, options);
}

inline void sleep_a_moment() {
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
}

/// Claims a slot in another process, which ends without leaving it: a process does not claim its
/// own slots. No thread may run: ThreadSanitizer does not follow a fork of several.
/// @param meanwhile Called again and again until that process has ended.
/// @return false if a holder objects.
inline bool claim_elsewhere(meeting& server, std::uint32_t number,
                            const std::function<void()>& meanwhile = sleep_a_moment) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ivshmem::slot_options options;
        options.number = number;
        options.geometry = two_slots;
        std::error_code ec;
        const auto device = server.join(3);
        const auto claimed = slot::claim(device, options, ec);
        ::_exit(claimed.is_open() ? 0 : ec == errc::slot_in_use ? 1 : 2); // without destructors
    }
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(child, &status, WNOHANG)) == 0)
        meanwhile();
    REQUIRE(ended == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 0;
}

/// Why a slot cannot be claimed.
inline std::error_code refused(const ivshmem::device& of, const ivshmem::slot_options& how) {
    std::error_code ec;
    CHECK_FALSE(slot::claim(of, how, ec).is_open());
    CHECK(ec);
    CHECK_THROWS_AS(slot::claim(of, how), ivshmem::error);
    return ec;
}

/// Two devices over one memory, and a slot of each.
struct two_holders {
    explicit two_holders(const ivshmem::region_geometry& g = two_slots, std::size_t region = 65536)
        : server{region}, a{server.join(1)}, b{server.join(2)}, at_a{claim(a, 0, g)}, at_b{claim(
                                                                                          b, 1,
                                                                                          g)} {}
    /// The words of the block of a slot for the other one, lane 0.
    [[nodiscard]] ivshmem::shared_words block(std::uint32_t owner) const {
        return {server.memory().data() + server.memory().size() / 2 * owner + layout::header::size,
                false};
    }

    meeting server;
    ivshmem::device a;
    ivshmem::device b;
    slot at_a;
    slot at_b;
};

/// The whole memory, as it is now.
inline std::vector<std::byte> copy_of(const meeting& of) {
    return {of.memory().begin(), of.memory().end()};
}

/// Lets both sides look until nothing changes any more.
inline void meet(channel& x, channel& y) {
    std::error_code ec;
    for (int i = 0; i < 4; ++i) {
        x.update(ec);
        y.update(ec);
    }
}

/// Both ends of lane 0.
struct both_ends {
    explicit both_ends(two_holders& between, const ivshmem::channel_options& options = {})
        : x{channel::open(between.at_a, 1, 0, options)}, y{channel::open(between.at_b, 0, 0,
                                                                         options)} {
        meet(x, y);
        REQUIRE(x.state() == ivshmem::channel_state::connected);
        REQUIRE(y.state() == ivshmem::channel_state::connected);
    }

    channel x;
    channel y;
};

/// The next message, the errors aside.
inline std::optional<std::string> next(channel& from, std::error_code& ec) {
    std::string text(8192, '\0');
    const auto size = from.try_receive(std::as_writable_bytes(std::span{text}), ec);
    if (!size)
        return std::nullopt;
    text.resize(*size);
    return text;
}
inline std::optional<std::string> next(channel& from) {
    std::error_code ec;
    auto text = next(from, ec);
    CHECK(ec == std::error_code{});
    return text;
}
/// Why there is none.
inline std::error_code end_of(channel& from) {
    std::error_code ec;
    CHECK_FALSE(next(from, ec).has_value());
    return ec;
}

/// Why a message cannot be sent.
inline std::error_code not_sent(channel& to) {
    std::error_code ec;
    CHECK_FALSE(to.try_send(bytes("x"), ec));
    return ec;
}

/// As much of a message as goes.
inline bool send_text(channel& to, std::string_view text, std::size_t& done, std::error_code& ec) {
    const auto fill = [&](std::span<std::byte> into, std::size_t offset) {
        std::memcpy(into.data(), text.data() + offset, into.size());
    };
    return ivshmem::channel_driver{to}.send_some(text.size(), done, fill, ec);
}

} // namespace test
