// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "common/print.hpp"
#include "conformance/lane.hpp"

#include <algorithm>

namespace ivshmemctl::conformance {

void lane::check(const record& found, std::uint32_t head) const {
    const auto until_end = side_.ring_size() - found.place;
    const auto at =
        tools::format("head {:#x} and total {} at {} of the ring", head, found.total, found.place);
    require((head & bit31) != 0, at, "bit 31 in the head");
    require(found.length <= until_end && size_of_record(found.length) <= until_end, at,
            tools::format("a record within the {} bytes to the end of the ring", until_end));
    require(found.kind == pad || size_of_record(found.length) <= side_.ring_size() / 2, at,
            "no record longer than half of the ring");
    if (found.kind == pad)
        require(found.place != 0 && size_of_record(found.length) == until_end, at,
                "a pad not at the start, and up to the end of the ring");
    if (found.kind == last)
        require(found.total == found.length, at, "the last part: total = length");
    if (found.kind == part)
        require(found.length != 0 && found.length < found.total, at, "a part: 1 <= length < total");
    if (found.kind == abandon)
        require(found.length == 0 && remaining_ != 0, at,
                "an abandon within a message, without bytes");
    if (remaining_ != 0 && (found.kind == last || found.kind == part))
        require(found.total == remaining_, at,
                tools::format("the total that remains of the message, {}", remaining_));
}

std::optional<record> lane::take() {
    const auto ring = theirs_.from(in_block::ring);
    for (;;) {
        record found;
        found.place = place_of(position_);
        const auto head = ring.look(found.place);
        if (head == 0)
            return std::nullopt;
        found.kind = head >> 29U & 3U;
        found.length = head & 0x1fffffffU;
        found.total = ring.look(found.place + 4);
        check(found, head);
        position_ += size_of_record(found.length);
        if (found.kind == pad) {
            ++pads_;
            continue;
        }
        for (std::uint32_t i = 0; i < found.length; ++i)
            found.bytes += static_cast<char>(ring.look(found.place + 8 + i / 4 * 4) >> (i % 4 * 8));
        remaining_ = found.kind == part ? found.total - found.length : 0;
        return found;
    }
}

void lane::free_room() {
    mine_.publish(in_block::cursor, position_);
    if ((theirs_.look(in_block::attention) & bit31) == 0)
        return;
    const auto wake = theirs_.look(in_block::wake);
    if ((wake & for_room) != 0 && wake != answered_ &&
        position_ - theirs_.look(in_block::room) < bit31) {
        answered_ = wake;
        side_.ring(wake >> 16U);
    }
}

std::string lane::receive() {
    std::string all;
    for (;;) {
        std::optional<record> next;
        require(side_.wait([&] {
            next = take();
            return next.has_value();
        }),
                tools::format("no record on {} {}, but {} bytes before it", name(), side_.in_time(),
                              all.size()),
                "a message of the peer");
        free_room();
        if (next->kind == abandon)
            all.clear();
        else
            all += next->bytes;
        if (next->kind == last)
            return all;
    }
}

void lane::echo(const std::string& bytes) {
    send(bytes);
    const auto answer = receive();
    const auto differs = static_cast<std::size_t>(
        std::mismatch(answer.begin(), answer.end(), bytes.begin(), bytes.end()).first -
        answer.begin());
    require(answer == bytes,
            tools::format("an answer of {} bytes, which differs from byte {} on", answer.size(),
                          differs),
            tools::format("the same {} bytes", bytes.size()));
}

} // namespace ivshmemctl::conformance
