// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The header and the directory.

#include "common/print.hpp"
#include "conformance/lane.hpp"

#include <algorithm>
#include <array>
#include <system_error>

namespace ivshmemctl::conformance {
namespace {

void check_magic(other_side& side) {
    const auto version = side.theirs().look(in_header::version);
    require(version >> 16U == right_major,
            tools::format("version {}.{}", version >> 16U, version & 0xffffU), "major version 1");
}

void check_geometry(other_side& side) {
    const auto h = side.theirs();
    const std::uint64_t slots = h.look(in_header::slots), lanes = h.look(in_header::lanes),
                        ring = h.look(in_header::ring_size),
                        section = h.look_wide(in_header::section_size),
                        region = h.look_wide(in_header::region_size);
    const auto seen =
        tools::format("{} slots, {} lanes, rings of {}, sections of {}, a region of {}", slots,
                      lanes, ring, section, region);
    require(slots >= 2 && slots <= 256, seen, "2 to 256 slots");
    require(lanes >= 1 && lanes <= 1024, seen, "1 to 1024 lanes");
    require(ring >= 1024 && ring <= 268435456 && (ring & (ring - 1)) == 0, seen,
            "a ring size from 1024 to 268435456, a power of two");
    require(region % page == 0 && region <= side.memory_size(), seen,
            "a region in whole pages, within the memory");
    require(section == region / slots / page * page, seen,
            tools::format("sections of {} bytes", region / slots / page * page));
    require(page + (slots - 1) * lanes * (256 + ring) <= section, seen,
            "sections in which the blocks have room");
}

void check_place(other_side& side) {
    const auto h = side.theirs();
    const auto number = h.look(in_header::slot);
    const auto offset = h.look_wide(in_header::region_offset),
               size = h.look_wide(in_header::region_size),
               section = h.look_wide(in_header::section_size);
    const auto seen = tools::format("slot {} of the region at {}, with the header at {}", number,
                                    offset, side.header_offset());
    require(number < h.look(in_header::slots), seen, "a slot within the region");
    require(offset % page == 0 && offset <= side.memory_size() &&
                size <= side.memory_size() - offset,
            seen, "a region within the memory");
    require(offset + section * number == side.header_offset(), seen,
            tools::format("the header at {}", offset + section * number));
}

void check_first_header(other_side& side) {
    const auto h = side.theirs();
    const auto first = side.memory().from(h.look_wide(in_header::region_offset));
    require(first.look(in_header::magic) == right_magic,
            tools::format("magic {:#x} at the start of the region", first.look(in_header::magic)),
            "the first header, also if no peer holds slot 0");
    for (std::size_t word = in_header::slots; word < in_header::fixed_end; word += 4) {
        const auto expected = word == in_header::slot ? 0 : h.look(word);
        require(first.look(word) == expected,
                tools::format("{:#x} at {:#x} of the first header", first.look(word), word),
                tools::format("{:#x}, as in the header of the peer", expected));
    }
}

void check_peer(other_side& side) {
    std::error_code ec;
    const auto all = side.device().peers(ec);
    if (ec)
        throw not_shown{"the device does not list its peers"};
    const auto id = side.peer_id();
    require(id != side.device().id() && std::find(all.begin(), all.end(), id) != all.end(),
            tools::format("peer {}", id), "the id of another peer that is connected");
}

void check_unknown_words(other_side& side) {
    const auto fill = [](const words& at, std::size_t from, std::size_t to) {
        for (; from < to; from += 4)
            at.publish(from, 0xffffffffU);
    };
    fill(side.mine(), in_header::fixed_end, in_header::incarnation);
    fill(side.mine(), in_header::used_end, in_header::directory);
    lane x{side};
    fill(x.mine(), in_block::first_end, in_block::wake);
    fill(x.mine(), in_block::second_end, in_block::cursor);
    fill(x.mine(), in_block::third_end, in_block::ring);
    x.connect();
    x.echo(pattern(100));
}

void check_minor(other_side& side) {
    need_rings(side);
    side.mine().publish(in_header::version, 0x0001ffff);
    struct restore {
        words header;
        ~restore() { header.publish(in_header::version, 0x00010002); }
    } const at_end{side.mine()};
    lane x{side, {.sleeps = true}};
    x.connect();
    x.echo(pattern(100));
    static_cast<void>(side.take_rings());
    x.arm(for_data);
    x.echo(pattern(100, 1));
    require(side.wait([&] { return side.take_rings() != 0; }),
            "no ring for a message " + side.in_time(), "as with version 1.1");
}

void check_one_writer(other_side& side) {
    // What this side writes meanwhile is in the block of another lane.
    const auto copy = [&] {
        std::array<std::uint32_t, page / 4> all{};
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = i == in_header::claim / 4 ? 0 : side.mine().look(i * 4);
        return all;
    };
    const auto before = copy();
    pass_a_message(side);
    const auto after = copy();
    const auto changed = std::mismatch(before.begin(), before.end(), after.begin()).first;
    require(changed == before.end(),
            tools::format("the word at {:#x} of the header of this side has changed",
                          (changed - before.begin()) * 4),
            "no peer writes to the section of another one");
}

void check_directory(other_side& side) {
    for (std::size_t entry = 0; entry < in_header::entries; ++entry) {
        const auto at = side.theirs().from(in_header::directory + entry * in_header::entry_size);
        if (at.look(0) == 0)
            continue;
        std::string name;
        for (std::size_t i = 0; i < in_header::name_size; ++i)
            name += static_cast<char>(at.look(4 + i / 4 * 4) >> (i % 4 * 8));
        const auto length = std::min(name.find('\0'), name.size());
        require(length >= 1 && length <= 59 && name.find_first_not_of('\0', length) == name.npos,
                tools::format("entry {} with {} bytes before the first 0, and others after it",
                              entry, length),
                "1 to 59 bytes, the rest zero");
    }
}

void check_unknown_service(other_side& side) {
    // A key that is nearly right.
    lane x{side, {.service = side.key() ^ 0x80000000U}};
    pass_a_message(side);
    require(x.theirs().look(in_block::ack) != x.epoch(),
            tools::format("the peer has opened the lane, with accepted {:#x}",
                          x.theirs().look(in_block::accepted)),
            "no answer to a key that is not in its directory");
}

void check_accepted(other_side& side) {
    lane x{side};
    x.await_opening();
    const auto accepted = x.theirs().look(in_block::accepted);
    const auto service = x.theirs().look(in_block::service);
    require(accepted == side.key() && service == 0,
            tools::format("accepted {:#x}, service {:#x}", accepted, service),
            tools::format("accepted {:#x}, the key, and service 0", side.key()));
}

void check_old_request(other_side& side) {
    lane x{side};
    x.connect();
    x.echo(pattern(8));
    const auto epoch = x.theirs().look(in_block::epoch);
    // The peer closes, but this side has not noticed.
    x.end(is_finished);
    const auto again = [&] {
        return x.theirs().look(in_block::epoch) != epoch;
    };
    require(
        side.wait([&] { return again() || (x.theirs().look(in_block::flags) & is_finished) != 0; }),
        "no end " + side.in_time(), "the peer closes a lane that this side has finished");
    x.mine().publish(in_block::flags, 0);
    side.ring();
    pass_a_message(side);
    require(!again(), "the peer has opened the lane again for the same epoch",
            "a request is answered once");
}

void check_block(other_side& side) {
    if (side.lanes() < 2)
        throw not_shown{"the region has one lane, and two are needed"};
    lane first{side, {.number = 0}}, other{side, {.number = side.lanes() - 1}};
    first.connect();
    other.connect();
    first.send(pattern(24, 1));
    other.echo(pattern(32, 2));
    require(first.receive() == pattern(24, 1), "other bytes on lane 0", "those of lane 0");
}

constexpr rule header[] = {
    {"H1", "magic and version say that this is the layout, in major version 1", check_magic},
    {"H2", "the geometry is in its ranges, and region, sections and blocks agree with it",
     check_geometry},
    {"H3", "slot and region put the header at the place where it is", check_place},
    {"H8", "the first header says how the region is divided", check_first_header},
    {"H4", "peer is the holder's id at the device", check_peer},
};
constexpr rule directory[] = {
    {"D1", "a name in the directory has 1 to 59 bytes, and the rest is zero", check_directory},
    {"D4", "the peer opens the lane, with accepted = the key that is requested", check_accepted},
    {"D3", "a key that is not in the directory is not answered", check_unknown_service},
    {"D5", "a request that was answered is not answered again", check_old_request},
    {"B1", "the block of a lane is at the place that its number says", check_block},
    {"H5", "a word that is not described as used is ignored", check_unknown_words},
    {"H6", "a higher minor version is accepted", check_minor},
    {"H7", "every word has one writer", check_one_writer},
};

} // namespace

std::span<const rule> header_rules() {
    return header;
}
std::span<const rule> directory_rules() {
    return directory;
}

} // namespace ivshmemctl::conformance
