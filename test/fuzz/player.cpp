// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "player.hpp"

#include "liar.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace test {

using ivshmem::channel;
using ivshmem::errc;

namespace {

/// The errors that the channel's documentation names.
constexpr std::array documented{
    errc::not_connected,    errc::channel_reset,    errc::channel_closed,
    errc::channel_poisoned, errc::channel_rejected, errc::closed,
    errc::slot_lost,        errc::lane_in_use,      errc::message_too_large,
    errc::buffer_too_small, errc::service_unknown,  errc::service_exists,
    errc::directory_full,   errc::slot_in_use,      errc::geometry_mismatch,
    errc::layout_version,   errc::slot_overwritten, errc::peer_lost,
    errc::region_too_small,
};

const std::array<std::string, 3> names{"clock", "store", "x"};

} // namespace

player::player(const ivshmem::device& device, std::uint32_t slot,
               std::chrono::milliseconds heartbeat, std::function<void()> disturb)
    : device_{device}, number_{slot}, heartbeat_{heartbeat}, disturb_{std::move(disturb)},
      buffer_(longest) {
    claim();
}

void player::expect(const std::error_code& ec) const {
    if (!ec)
        return;
    must_hold(std::any_of(documented.begin(), documented.end(),
                          [&](errc e) { return ec == make_error_code(e); }),
              "every error is a documented one");
}

void player::claim() {
    ivshmem::slot_options options;
    options.number = number_;
    options.geometry = small;
    options.claim_time = std::chrono::milliseconds{1};
    options.heartbeat = heartbeat_;
    std::error_code ec;
    slot_ = ivshmem::slot::claim(device_, options, ec);
    expect(ec);
}

void player::open(schedule& what) {
    if (!slot_.is_open())
        return claim();
    ivshmem::channel_options options;
    const std::uint8_t choice = what.byte();
    options.max_message = (choice & 1U) != 0 ? longest : 100;
    options.polling = (choice & 2U) != 0;
    std::error_code ec;
    channel opened = channel::open(slot_, number_ ^ 1U, 0, options, ec);
    expect(ec);
    must_hold(ec || opened.is_open(), "a channel that opens without an error is open");
    if (!ec) {
        channel_ = std::move(opened);
        size_ = received_ = 0;
    }
}

void player::start_again() {
    schedule nothing{{}};
    std::error_code ec;
    if (!slot_.is_open())
        claim();
    if (!channel_.is_open())
        open(nothing);
    else if (state() != ivshmem::channel_state::opening)
        channel_.reopen(ec);
    if (ec) { // the slot is lost
        channel_.close();
        slot_.close();
    }
    size_ = received_ = 0;
    channel_.update(ec);
    expect(ec);
}

void player::play(schedule& what) {
    std::error_code ec;
    switch (what.below(12)) {
    case 0:
    case 1:
        channel_.update(ec);
        expect(ec);
        break;
    case 2:
    case 3:
        return send(what);
    case 4:
    case 5:
        return receive(what);
    case 6:
        return look(what);
    case 7:
        return sleep(what);
    case 8:
        return use_slot(what);
    case 9:
        if (!channel_.is_open())
            return open(what);
        channel_.reopen(ec);
        expect(ec);
        if (!ec)
            size_ = received_ = 0;
        break;
    case 10:
        return open(what);
    default:
        return end(what);
    }
}

void player::look(schedule& what) {
    std::error_code ec;
    switch (what.below(6)) {
    case 0:
        static_cast<void>(ivshmem::channel_driver{channel_}.drained());
        break;
    case 1:
        static_cast<void>(channel_.drained(ec));
        expect(ec);
        break;
    case 2:
        must_hold(ivshmem::channel_driver{channel_}.unread() <= small.ring_size,
                  "no more is unread than the ring holds");
        static_cast<void>(to_string(channel_.violation()));
        break;
    case 3:
        ivshmem::channel_driver{channel_}.ring_again();
        break;
    case 4:
        ivshmem::channel_driver{channel_}.settle();
        break;
    default: {
        channel moved{std::move(channel_)};
        must_hold(!channel_.is_open(), "a moved-from channel is closed");
        ivshmem::channel_driver{channel_}.settle();
        ivshmem::channel_driver{channel_}.disarm();
        static_cast<void>(ivshmem::channel_driver{channel_}.drained());
        channel_ = std::move(moved);
    }
    }
}

void player::sleep(schedule& what) {
    if (what.below(3) == 0)
        ivshmem::channel_driver{channel_}.disarm();
    else
        static_cast<void>(ivshmem::channel_driver{channel_}.arm(what.below(8)));
}

void player::use_slot(schedule& what) {
    if (!slot_.is_open())
        return claim();
    std::error_code ec;
    ivshmem::service_directory directory{slot_};
    switch (what.below(6)) {
    case 0:
        slot_.answer_claims(ec);
        break;
    case 1:
        static_cast<void>(slot_.find_holder(number_ ^ 1U, ec));
        static_cast<void>(slot_.holders());
        break;
    case 2:
        static_cast<void>(directory.find_service(names.at(what.below(3)), {}, ec));
        break;
    case 3:
        static_cast<void>(directory.offer(names.at(what.below(3)), ec));
        break;
    case 4:
        directory.withdraw(what.below(4));
        break;
    default:
        static_cast<void>(directory.find_lane(number_ ^ 1U, ec));
    }
    expect(ec);
}

void player::end(schedule& what) {
    switch (what.below(8)) {
    case 0:
        slot_.close();
        break;
    case 1:
    case 2:
        channel_.close();
        size_ = received_ = 0;
        break;
    case 3:
        channel_.finish();
        size_ = 0;
        break;
    default:
        break;
    }
}

} // namespace test
