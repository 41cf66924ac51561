// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "conformance/lane.hpp"

#include "common/print.hpp"

#include <algorithm>

namespace ivshmemctl::conformance {
namespace {

bool is_closed(const words& block) {
    return block.look(in_block::epoch) == 0 || (block.look(in_block::flags) & is_deaf) != 0;
}

/// A lane that is closed on the side of the peer; rather one without a fault.
std::uint32_t choose(const other_side& side) {
    std::optional<std::uint32_t> found;
    static_cast<void>(side.wait([&] {
        for (std::uint32_t n = 0; n < side.lanes(); ++n) {
            const bool mine_closed = is_closed(side.my_block(n));
            if (!mine_closed || !is_closed(side.their_block(n)))
                continue;
            if (!found || side.their_block(n).look(in_block::flags) >> 8U == 0)
                found = n;
            if (side.their_block(n).look(in_block::flags) >> 8U == 0)
                return true;
        }
        return found.has_value();
    }));
    if (!found)
        throw broken{"no lane is closed " + side.in_time(), "a lane of which this side has closed "
                                                            "its end is closed by the peer"};
    return *found;
}

} // namespace

std::string pattern(std::size_t size, std::size_t seed) {
    std::string bytes(size, ' ');
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<char>((seed * 31 + i * 7 + i / 251) % 255 + 1);
    return bytes;
}

lane::lane(other_side& side, const opening& how)
    : side_{side}, how_{how}, number_{how.number ? *how.number : choose(side)},
      mine_{side.my_block(number_)}, theirs_{side.their_block(number_)} {
    open();
}

lane::~lane() {
    // A peer that has opened the lane connects, and then sees the end. Otherwise it would wait.
    if (theirs_.look(in_block::ack) == epoch_)
        mine_.publish(in_block::ack, theirs_.look(in_block::epoch));
    else
        mine_.publish(in_block::epoch, 0);
    end(is_finished | is_deaf);
}

std::string lane::name() const {
    return tools::format("lane {}", number_);
}

void lane::open() {
    const auto before = mine_.look(in_block::epoch);
    mine_.publish(in_block::epoch, 0);
    for (const std::size_t word :
         {std::size_t{in_block::ring}, std::size_t{in_block::cursor}, std::size_t{in_block::wake},
          std::size_t{in_block::room}, std::size_t{in_block::ack}, std::size_t{in_block::flags},
          std::size_t{in_block::accepted}})
        mine_.publish(word, 0);
    mine_.publish(in_block::attention, how_.sleeps ? bit31 : 0);
    mine_.publish(in_block::limit, how_.limit);
    mine_.publish(in_block::service, how_.service ? *how_.service : side_.key());
    do
        epoch_ = random_word();
    while (epoch_ == before || epoch_ == theirs_.look(in_block::ack));
    tail_ = seen_ = position_ = answered_ = remaining_ = 0;
    mine_.publish(in_block::epoch, epoch_);
    side_.ring();
}

void lane::await_opening() {
    const bool opened = side_.wait([&] {
        return theirs_.look(in_block::epoch) != 0 &&
               theirs_.look(in_block::ack) == epoch_; // it is the session that answers this one
    });
    require(opened,
            tools::format("epoch {:#x} and ack {:#x} on {} {}", theirs_.look(in_block::epoch),
                          theirs_.look(in_block::ack), name(), side_.in_time()),
            tools::format("the peer opens the lane, and acknowledges epoch {:#x}", epoch_));
}

void lane::connect() {
    const bool met = side_.wait([&] {
        const auto epoch = theirs_.look(in_block::epoch);
        if (epoch != mine_.look(in_block::ack)) {
            mine_.publish(in_block::cursor, 0);
            mine_.publish(in_block::ack, epoch);
            if (epoch != 0)
                side_.ring();
        }
        return epoch != 0 && theirs_.look(in_block::ack) == epoch_ &&
               theirs_.look(in_block::epoch) == epoch &&
               theirs_.look(in_block::accepted) == mine_.look(in_block::service);
    });
    if (!met)
        await_opening(); // says what is missing
    require(met, tools::format("accepted {:#x} on {}", theirs_.look(in_block::accepted), name()),
            tools::format("the key of the service, {:#x}", mine_.look(in_block::service)));
}

void lane::end(std::uint32_t flags) {
    mine_.publish(in_block::flags, flags);
    side_.ring();
}

std::uint32_t lane::place_of(std::uint32_t position) const {
    return position % side_.ring_size();
}

std::uint32_t lane::put(std::uint32_t kind, std::uint32_t length, std::uint32_t total,
                        const std::string& bytes, bool shown) {
    const auto ring = mine_.from(in_block::ring);
    const auto place = place_of(tail_);
    ring.publish(place + 4, total);
    for (std::size_t i = 0; i < bytes.size(); i += 4) {
        std::uint32_t word = 0;
        for (std::size_t k = 0; k < 4 && i + k < bytes.size(); ++k)
            word |= std::uint32_t{static_cast<unsigned char>(bytes[i + k])} << (k * 8);
        ring.publish(place + 8 + i, word);
    }
    tail_ += size_of_record(length);
    ring.publish(place_of(tail_), 0);
    if (shown)
        show(place, kind, length);
    return place;
}

void lane::show(std::uint32_t place, std::uint32_t kind, std::uint32_t length) const {
    mine_.from(in_block::ring).publish(place, bit31 | kind << 29U | length);
}

void lane::put_head(std::uint32_t head) const {
    mine_.from(in_block::ring).publish(place_of(tail_), head);
}

void lane::ring_for_data() {
    if ((theirs_.look(in_block::attention) & bit31) == 0)
        return;
    const auto wake = theirs_.look(in_block::wake);
    if ((wake & for_data) != 0 && wake != answered_) {
        answered_ = wake;
        side_.ring(wake >> 16U);
    }
}

bool lane::has_room(std::uint32_t length) {
    const auto size = size_of_record(length), rest = side_.ring_size() - place_of(tail_);
    const auto needed = (size > rest ? rest : 0) + size + 8;
    const auto cursor = theirs_.look(in_block::cursor);
    require(cursor - seen_ <= tail_ - seen_ && cursor % 8 == 0,
            tools::format("cursor {} on {}", cursor, name()),
            tools::format("a multiple of 8 from {} to {}", seen_, tail_));
    seen_ = cursor;
    return tail_ - seen_ + needed <= side_.ring_size();
}

void lane::send(const std::string& bytes) {
    need_limit(*this, static_cast<std::uint32_t>(bytes.size()));
    const auto half = side_.ring_size() / 2 - 8, quarter = side_.ring_size() / 4 - 8;
    std::size_t done = 0;
    do {
        const auto rest = static_cast<std::uint32_t>(bytes.size() - done);
        const auto length = bytes.size() <= half ? rest : std::min(rest, quarter);
        require(side_.wait([&] {
            if (has_room(length))
                return true;
            ring_for_data();
            return false;
        }),
                tools::format("cursor {} of {} on {} {}", seen_, tail_, name(), side_.in_time()),
                "the peer reads what was sent");
        const auto until_end = side_.ring_size() - place_of(tail_);
        if (size_of_record(length) > until_end)
            put(pad, until_end - 8, 0xffffffffU);
        put(length == rest ? last : part, length, rest, bytes.substr(done, length));
        ring_for_data();
        done += length;
    } while (done < bytes.size());
}

void lane::await_close() {
    const bool closed = side_.wait([&] {
        return theirs_.look(in_block::epoch) == 0 ||
               (theirs_.look(in_block::flags) & is_finished) != 0;
    });
    const auto flags = theirs_.look(in_block::flags);
    require(closed && flags >> 8U == 0,
            tools::format("flags {:#x} on {} {}", flags, name(), side_.in_time()),
            "finished, without a reason");
}

std::uint32_t lane::arm(std::uint32_t what, std::uint32_t room) {
    const auto wake = what | (++armings_ & 0x3fffU) << 2U; // vector 0
    mine_.publish(in_block::room, room);
    mine_.publish(in_block::wake, wake);
    return wake;
}

void pass_a_message(other_side& side) {
    if (side.lanes() < 2)
        throw not_shown{"the region has one lane, and two are needed"};
    lane other{side};
    other.connect();
    other.echo(pattern(8));
}

void need_limit(const lane& on, std::uint32_t size) {
    if (on.peer_limit() < size)
        throw not_shown{tools::format("the peer takes messages of {} bytes, and {} are needed",
                                      on.peer_limit(), size)};
}

void need_rings(const other_side& side) {
    if (!side.can_be_rung())
        throw not_shown{"the device of this side has no interrupts"};
}

} // namespace ivshmemctl::conformance
