// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer that follows the rules, but costs this side more than itself; and one that writes to the
// section of another.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

using namespace test;
using ivshmem::channel_driver;

namespace {

/// Writes records into a ring, each of which is the next part of a message, without the library.
class part_writer {
  public:
    part_writer(const ivshmem::shared_words& block, std::uint32_t size)
        : ring_{block.at(layout::block::ring)}, size_{size} {}

    /// @param left The bytes of the message that are not sent yet, with this part.
    void write(std::uint32_t length, std::uint32_t left) {
        const std::uint32_t size = layout::record_size(length);
        if (size > size_ - at()) {
            const std::uint32_t pad = size_ - at();
            ring_.store(0, 0);
            publish(layout::kind::pad, pad - layout::record_header, pad);
        }
        ring_.store((at() + size) % size_, 0);
        ring_.store(at() + layout::record_total, left);
        publish(length == left ? layout::kind::last : layout::kind::part, length, size);
    }
    [[nodiscard]] std::uint32_t position() const { return position_; }

  private:
    [[nodiscard]] std::uint32_t at() const { return position_ % size_; }
    void publish(layout::kind k, std::uint32_t length, std::uint32_t size) {
        ring_.publish(at(), layout::record_valid |
                                static_cast<std::uint32_t>(k) << layout::record_kind_shift |
                                length);
        position_ += size;
    }

    ivshmem::shared_words ring_;
    std::uint32_t size_;
    std::uint32_t position_ = 0;
};

/// The address space of this process, in bytes.
std::size_t address_space() {
    std::size_t pages = 0;
    std::ifstream{"/proc/self/statm"} >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace

TEST_CASE("a message in tiny parts is copied to the caller once, when it is complete") {
    two_holders peers;
    both_ends ends{peers, {.max_message = 1U << 20U}};
    part_writer writer{peers.block(1), 1024};
    const std::uint32_t size = 3000;
    std::vector<std::byte> into(1U << 20U, std::byte{0x55});
    const auto is_untouched = [&] {
        return std::all_of(into.begin(), into.end(),
                           [](std::byte b) { return b == std::byte{0x55}; });
    };
    std::error_code ec;
    for (std::uint32_t left = size; left > 1; --left) {
        writer.write(1, left);
        REQUIRE_FALSE(ends.x.try_receive(into, ec).has_value());
        REQUIRE_FALSE(ec);
        REQUIRE(into[0] == std::byte{0x55});
        if (left % 500 == 0)
            REQUIRE(is_untouched());
        // Read, and the room returned, as for large parts.
        REQUIRE(writer.position() - peers.block(0).load(layout::block::cursor) <= 1024);
    }
    writer.write(1, 1);
    CHECK(ends.x.try_receive(into, ec) == size);
    CHECK_FALSE(is_untouched());
    CHECK_FALSE(ec);
}

TEST_CASE("a size that a peer announces takes no memory until the bytes arrive") {
    constexpr std::uint32_t lanes = 512;
    constexpr std::uint32_t announced = 16U << 20U;
    two_holders peers{{2, lanes, 1024}, 4U << 20U};
    const ivshmem::channel_options large{.max_message = announced};
    std::vector<channel> ends;
    std::vector<channel> others;
    std::vector<std::byte> into(announced);
    const std::size_t before = address_space();
    std::error_code ec;
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
        ends.push_back(channel::open(peers.at_a, 1, lane, large));
        others.push_back(channel::open(peers.at_b, 0, lane, large));
        meet(ends.back(), others.back());
        std::size_t done = 0;
        const auto fill = [](std::span<std::byte> part, std::size_t) {
            std::fill(part.begin(), part.end(), std::byte{1});
        };
        CHECK_FALSE(channel_driver{others.back()}.send_some(announced, done, fill, ec));
        REQUIRE_FALSE(ec);
        const int way = static_cast<int>(lane % 3);
        if (way == 0)
            CHECK_FALSE(ends.back().try_receive(into, ec).has_value());
        else if (way == 1)
            CHECK_FALSE(channel_driver{ends.back()}.gather(ec).has_value());
        else
            CHECK_FALSE(ends.back().peek(ec).has_value());
        CHECK((!ec || (way == 2 && ec == errc::message_too_large))); // peek() takes no parts
    }
    // 512 times 16 MiB are 8 GiB.
    CHECK(address_space() - before < (std::size_t{256} << 20U));
}

TEST_CASE("of a slot that others write to, what can go on goes on") {
    const deadline limit;
    two_holders peers{{3, 2, 1024}, 131072};
    const slot third = claim(peers.server.join(3), 2, {3, 2, 1024});
    channel x = channel::open(peers.at_a, 1, 0);
    channel y = channel::open(peers.at_b, 0, 0);
    channel with_third = channel::open(peers.at_a, 2, 0);
    channel of_third = channel::open(third, 0, 0);
    meet(x, y);
    meet(with_third, of_third);
    const std::size_t section = 131072 / 3 / layout::page * layout::page;
    const ivshmem::shared_words header{peers.server.memory().data(), false};
    const auto block = [&](std::uint32_t number) { // of slot 0
        return header.at(layout::header::size + number * (layout::block::ring + 1024));
    };
    std::error_code ec;
    SECTION("the peer's own side of a lane, which only ends this channel") {
        peers.server.memory()[section + layout::header::size + layout::block::ring] = std::byte{7};
        CHECK(end_of(x) == errc::channel_poisoned);
        CHECK(of_third.try_send(bytes("goes on")));
        CHECK(next(with_third) == "goes on");
    }
    SECTION("any word of this side's header: it is repaired, or the slot ends by name") {
        const std::size_t word = GENERATE(
            as<std::size_t>{}, layout::header::magic, layout::header::slots, layout::header::slot,
            layout::header::region_size_high, layout::header::incarnation, layout::header::claim,
            layout::header::peer, layout::header::attention, std::size_t{0x60});
        header.store(word, header.load(word) ^ 0x5555U);
        peers.at_a.answer_claims(ec);
        const bool goes_on = !ec;
        CHECK((goes_on || ec == errc::slot_overwritten || ec == errc::slot_lost));
        if (word == layout::header::incarnation || word == layout::header::claim)
            CHECK(goes_on);
        if (goes_on) {
            CHECK(of_third.try_send(bytes("goes on")));
            CHECK(next(with_third) == "goes on");
        } else {
            CHECK(end_of(x) == ec);
            CHECK(end_of(with_third) == ec);
        }
    }
    SECTION("any word of this side's block: the slot ends by name, or nothing happens") {
        const std::size_t word = GENERATE(
            as<std::size_t>{}, layout::block::epoch, layout::block::ack, layout::block::flags,
            layout::block::attention, layout::block::limit, layout::block::service,
            layout::block::wake, layout::block::room, layout::block::cursor);
        block(0).store(word, block(0).load(word) ^ 0x5555U);
        x.update(ec);
        CHECK((!ec || ec == errc::slot_overwritten));
        y.update(ec); // may take it for a fault or a reset
        const auto state = y.state();
        CHECK(state != ivshmem::channel_state::closed);
    }
}

TEST_CASE("a header of another version where no header can be prevents no claim") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    const slot first = claim(a, 0);
    const std::size_t at = GENERATE(std::size_t{8192}, std::size_t{65536 - 4096});
    const ivshmem::shared_words header{server.memory().data() + at, false};
    header.store(layout::header::version, 0x20000);
    header.store(layout::header::slot, 1);
    header.store(layout::header::section_size_low, static_cast<std::uint32_t>(at));
    header.store(layout::header::incarnation, 7);
    header.store(layout::header::magic, layout::magic);
    CHECK(claim(b, 1).is_open());
    std::error_code ec;
    ivshmem::slot_options any;
    any.number = 1;
    CHECK(slot::claim(b, any, ec).is_open());
    CHECK_FALSE(ec);
}
