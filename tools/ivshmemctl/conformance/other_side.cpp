// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "conformance/other_side.hpp"

#include "caught_signals.hpp"
#include "common/print.hpp"
#include "conformance/rule.hpp"
#include "open_device.hpp"

#include <ivshmem/error.hpp>

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace ivshmemctl::conformance {
namespace {

/// A claim of a free slot waits for so long: "Claiming a slot", step 2.
constexpr milliseconds free_time{25};

bool is_listed(ivshmem::device& device, std::uint32_t id) {
    std::error_code ec;
    const auto all = device.peers(ec);
    return !ec && std::find(all.begin(), all.end(), id) != all.end();
}

bool has_lost_server(ivshmem::device& device) {
    std::error_code ec;
    while (device.next_event(ec)) {
    }
    return ec == ivshmem::errc::server_closed;
}

bool knows_peers(ivshmem::device& device) {
    std::error_code ec;
    static_cast<void>(device.peers(ec));
    return !ec;
}

std::string name_of_entry(const words& entry) {
    std::string name;
    for (std::size_t i = 0; i < in_header::name_size; ++i) {
        const auto c = static_cast<char>(entry.look(4 + i / 4 * 4) >> (i % 4 * 8));
        if (c == 0)
            break;
        name += c;
    }
    return name;
}

} // namespace

std::vector<std::uint64_t> find_headers(const ivshmem::device& device) {
    const words memory{device.memory().data()};
    std::vector<std::uint64_t> all, consistent;
    for (std::uint64_t at = 0; at + page <= device.memory().size(); at += page) {
        const auto header = memory.from(at);
        if (header.look(in_header::magic) != right_magic ||
            header.look(in_header::incarnation) == 0)
            continue;
        all.push_back(at);
        if (header.look_wide(in_header::region_offset) +
                header.look_wide(in_header::section_size) * header.look(in_header::slot) ==
            at)
            consistent.push_back(at);
    }
    return consistent.empty() ? all : consistent;
}

other_side::other_side(ivshmem::device& device, const play& how, std::uint64_t header)
    : device_{device}, how_{how}, at_{header}, theirs_{device.memory().data() + header},
      peer_slot_{theirs_.look(in_header::slot)}, peer_incarnation_{theirs_.look(
                                                     in_header::incarnation)},
      listed_{is_listed(device, theirs_.look(in_header::peer))} {}

other_side::~other_side() {
    if (incarnation_ == 0)
        return;
    for (std::uint32_t lane = 0; lane < lanes_; ++lane)
        my_block(lane).publish(in_block::flags, is_finished | is_deaf);
    mine_.publish(in_header::incarnation, 0);
    mine_.publish(in_header::claim, 0);
    ring();
}

words other_side::header(std::uint32_t number) const {
    return memory().from(region_ + section_ * number);
}

void other_side::take_slot() {
    slots_ = theirs_.look(in_header::slots);
    lanes_ = theirs_.look(in_header::lanes);
    ring_size_ = theirs_.look(in_header::ring_size);
    section_ = theirs_.look_wide(in_header::section_size);
    region_ = theirs_.look_wide(in_header::region_offset);
    // The peer may have changed the words since they were checked.
    const auto blocks = (std::uint64_t{slots_} - 1) * lanes_ * (in_block::ring + ring_size_);
    if (slots_ < 2 || slots_ > 256 || lanes_ < 1 || lanes_ > 1024 || ring_size_ < 1024 ||
        section_ > memory_size() / slots_ || page + blocks > section_ ||
        region_ > memory_size() - section_ * slots_ || region_ + section_ * peer_slot_ != at_)
        throw std::runtime_error{name_of(device_) + ": the header of the peer in slot " +
                                 std::to_string(peer_slot_) +
                                 " changes; try again with --rule H2, when nothing writes there"};
    topics_ = {page + blocks, page + blocks + slots_ * std::uint64_t{128} + 4096, section_};
    for (std::uint32_t number = 0; number < slots_ && incarnation_ == 0; ++number) {
        const auto there = header(number);
        if (number == peer_slot_ || (there.look(in_header::magic) == right_magic &&
                                     there.look(in_header::incarnation) != 0))
            continue;
        const auto claimed = random_word();
        there.publish(in_header::claim, claimed);
        std::this_thread::sleep_for(free_time);
        if (there.look(in_header::claim) != claimed || there.look(in_header::incarnation) != 0)
            continue;
        there.publish(in_header::incarnation, 0);
        clear(number);
        write_header(number);
        there.publish(in_header::incarnation, claimed);
        incarnation_ = claimed;
        slot_ = number;
        mine_ = there;
    }
    if (incarnation_ == 0)
        throw std::runtime_error{
            name_of(device_) +
            ": all slots of channels are held; end a peer, or let the peer under test divide the "
            "memory among more slots"};
    ask_for_rings(true);
    ring();
}

void other_side::clear(std::uint32_t number) const {
    const auto there = header(number);
    for (std::size_t entry = 0; entry < in_header::entries; ++entry)
        there.publish(in_header::directory + entry * in_header::entry_size, 0);
    for (std::uint32_t other = 0; other < slots_; ++other)
        for (std::uint32_t lane = 0; other != number && lane < lanes_; ++lane)
            for (const std::size_t word :
                 {in_block::epoch, in_block::ack, in_block::flags, in_block::wake})
                there.publish(block_offset(number, other, lane) + word, 0);
    if (!topics_.exists())
        return;
    for (std::uint32_t topic = 0; topic < topics_part::numbers; ++topic)
        there.publish(topics_.entry(topic), 0);
    for (std::size_t at = topics_.rows; at < topics_.entry(0); at += 4)
        there.publish(at, 0);
}

void other_side::write_header(std::uint32_t number) const {
    const auto there = header(number);
    for (std::size_t word = in_header::version; word < in_header::fixed_end; word += 4)
        there.publish(word, theirs_.look(word));
    there.publish(in_header::version, 0x00010002);
    there.publish(in_header::slot, number);
    there.publish(in_header::magic, right_magic);
    there.publish(in_header::peer, device_.id());
    for (const std::size_t word : {in_header::attention, in_header::heartbeat, in_header::beating})
        there.publish(word, 0);
}

std::size_t other_side::block_offset(std::uint32_t owner, std::uint32_t other,
                                     std::uint32_t lane) const {
    const std::size_t number = std::size_t{other < owner ? other : other - 1} * lanes_ + lane;
    return page + number * (in_block::ring + std::size_t{ring_size_});
}

words other_side::their_block(std::uint32_t lane) const {
    return theirs_.from(block_offset(peer_slot_, slot_, lane));
}

words other_side::my_block(std::uint32_t lane) const {
    return mine_.from(block_offset(slot_, peer_slot_, lane));
}

std::uint32_t other_side::key() const {
    for (std::size_t entry = 0; entry < in_header::entries; ++entry) {
        const auto at = theirs_.from(in_header::directory + entry * in_header::entry_size);
        if (const auto found = at.look(0); found != 0 && name_of_entry(at) == how_.service)
            return found;
    }
    return 0;
}

std::vector<std::string> other_side::services() const {
    std::vector<std::string> all;
    for (std::size_t entry = 0; entry < in_header::entries; ++entry) {
        const auto at = theirs_.from(in_header::directory + entry * in_header::entry_size);
        if (at.look(0) != 0)
            all.push_back(name_of_entry(at));
    }
    return all;
}

ivshmem::device other_side::join_again() const {
    if (!knows_peers(device_))
        throw not_shown{"the device does not list its peers"};
    return how_.join();
}

void other_side::meet(std::uint64_t header) {
    at_ = header;
    theirs_ = memory().from(header);
    peer_slot_ = theirs_.look(in_header::slot);
    peer_incarnation_ = theirs_.look(in_header::incarnation);
    listed_ = is_listed(device_, peer_id());
    for (const std::size_t word : {in_header::slots, in_header::lanes, in_header::ring_size,
                                   in_header::section_size, in_header::region_offset})
        require(theirs_.look(word) == mine_.look(word),
                tools::format("{} at {:#x} of the header", theirs_.look(word), word),
                tools::format("{}, as before", mine_.look(word)));
    leaving_ = false;
}

void other_side::start_rule(milliseconds more) {
    end_ = std::chrono::steady_clock::now() + how_.time_limit + more;
}

std::string other_side::in_time() const {
    return tools::format("in {} ms", how_.time_limit.count());
}

void other_side::watch_peer() const {
    if (caught_signals::arrived())
        throw interrupted{};
    if (incarnation_ != 0 && mine_.look(in_header::incarnation) == incarnation_ &&
        mine_.look(in_header::claim) != incarnation_)
        mine_.publish(in_header::claim, incarnation_);
    if (leaving_)
        return;
    if (theirs_.look(in_header::incarnation) != peer_incarnation_ &&
        theirs_.look(in_header::claim) != peer_incarnation_)
        throw peer_left{theirs_.look(in_header::incarnation) == 0
                            ? "it gave its slot back"
                            : "its slot was taken by another peer"};
    if (listed_ && has_lost_server(device_))
        throw peer_left{"the server has ended the connection"};
    if (listed_ && !is_listed(device_, peer_id()))
        throw peer_left{"the server reports that it has disconnected"};
}

bool other_side::wait(const std::function<bool()>& holds) const {
    for (unsigned looks = 0;; ++looks) {
        if (holds())
            return true;
        if (looks % 64 == 0)
            watch_peer();
        if (std::chrono::steady_clock::now() >= end_)
            return holds();
        std::this_thread::sleep_for(std::chrono::microseconds{looks < 100 ? 50 : 1000});
    }
}

void other_side::ring(std::uint32_t vector) const {
    std::error_code ignored; // a ring may be lost
    device_.ring(peer_id(), vector, ignored);
}

void other_side::ring() const {
    const auto attention = theirs_.look(in_header::attention);
    if ((attention & bit31) != 0)
        ring(attention & 0xffffU);
}

std::uint64_t other_side::take_rings() const {
    std::uint64_t sum = 0;
    std::error_code ec;
    while (const auto rung = device_.take_any(ec))
        sum += rung->count;
    return sum;
}

void other_side::ask_for_rings(bool rung) const {
    mine_.publish(in_header::attention, rung && can_be_rung() ? bit31 : 0);
}

} // namespace ivshmemctl::conformance
