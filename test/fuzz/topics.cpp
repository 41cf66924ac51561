// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Two slots that write and read topics, and a peer that writes words as the input says, between
// their steps: a writer that scribbles, and readers that do. Nothing may crash, hang, read outside
// of the section of the writer, or fail in an undocumented way. Without a false word every message
// is whole, and what was read and skipped adds up to its number.

#include "fixed_random.hpp"
#include "fixed_time.hpp"
#include "helpers/channel_meeting.hpp"
#include "liar.hpp"
#include "must_hold.hpp"
#include "topic_liar.hpp"

#include <ivshmem/slot.hpp>
#include <ivshmem/topic_reader.hpp>
#include <ivshmem/topic_writer.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using ivshmem::errc;
using test::must_hold;

constexpr std::array<std::string_view, 3> names{"a", "b", "c"};

/// A slot with topics and readers.
class side {
  public:
    side(const ivshmem::device& of, std::uint32_t number) : of_{of}, number_{number} {
        start_again();
    }
    void start_again() {
        for (auto& each : readers_)
            each.close();
        for (auto& each : writers_)
            each.close();
        ivshmem::slot_options options;
        options.number = number_;
        options.geometry = test::small;
        std::error_code ec;
        slot_ = {};
        slot_ = ivshmem::slot::claim(of_, options, ec);
    }
    void play(test::schedule& what) {
        const std::size_t which = what.below(names.size());
        switch (what.below(12)) {
        case 0:
            return create(which, what);
        case 1:
            return writers_.at(which).close();
        case 2:
        case 3:
        case 4:
            return publish(which, what);
        case 5:
            return open(which, what);
        case 6:
            return readers_.at(which).close();
        case 7:
        case 8:
            return read(which, false);
        case 9:
            return what.below(2) == 0 ? read(which, true) : view(which, what);
        case 10:
            if (readers_.at(which).arm() && what.below(2) == 0)
                readers_.at(which).disarm();
            return;
        default: {
            std::error_code ec;
            what.below(2) == 0 ? readers_.at(which).reopen(ec)
                               : static_cast<void>(readers_.at(which).update(ec));
            return;
        }
        }
    }
    /// From now on messages may be forged.
    void doubt() { honest_ = false; }

  private:
    static constexpr std::byte fill(std::uint64_t number) {
        return static_cast<std::byte>(number * 7 + 1);
    }
    void expect(const std::error_code& ec) const {
        must_hold(!ec || ec == errc::closed || ec == errc::slot_lost ||
                      ec == errc::slot_overwritten || ec == errc::topic_closed ||
                      ec == errc::peer_lost || (ec == errc::topic_poisoned && !honest_),
                  "reading fails for a documented reason");
    }
    void create(std::size_t which, test::schedule& what) {
        std::error_code ec;
        auto made = ivshmem::topic_writer::create(slot_, names.at(which),
                                                  {.size = what.below(64) * std::uint64_t{64},
                                                   .messages = what.below(40),
                                                   .pinning_readers = what.below(3)},
                                                  ec);
        must_hold(!ec || ec == errc::closed || ec == errc::slot_lost ||
                      ec == errc::slot_overwritten || ec == errc::topic_exists ||
                      ec == errc::region_too_small,
                  "a topic cannot be created for a documented reason");
        if (made.is_open())
            writers_.at(which) = std::move(made);
    }
    void publish(std::size_t which, test::schedule& what) {
        auto& to = writers_.at(which);
        std::error_code ec;
        const std::size_t size = what.below(5000);
        const auto lent = to.loan(size, ec);
        must_hold(!ec || ec == errc::closed || ec == errc::slot_lost ||
                      ec == errc::slot_overwritten || ec == errc::message_too_large,
                  "publishing fails for a documented reason");
        if (ec)
            return;
        must_hold(lent.size() == size, "a loan has its size");
        std::fill(lent.begin(), lent.end(), fill(to.sequence() + 1));
        to.publish(ec);
    }
    void open(std::size_t which, test::schedule& what) {
        std::error_code ec;
        auto opened = ivshmem::topic_reader::open(
            slot_, names.at(which), {.history = what.below(20), .pins = what.below(4)}, ec);
        if (opened.is_open())
            readers_.at(which) = std::move(opened);
        counts_.at(which) = {};
    }
    void read(std::size_t which, bool latest) {
        auto& from = readers_.at(which);
        std::error_code ec;
        const auto got = latest ? from.try_read_latest(buffer_, ec) : from.try_read(buffer_, ec);
        expect(ec);
        if (!got)
            return;
        must_hold(buffer_.size() <= test::small_section, "a message is in the section");
        check(which, *got);
        if (!honest_)
            return;
        for (const std::byte each : buffer_)
            must_hold(each == fill(got->sequence), "a message is whole");
    }
    /// Holds a message, and looks whether those that are held still are what was published.
    void pin(std::size_t which, const ivshmem::topic_message& got, test::schedule& what) {
        std::error_code ec;
        auto& place = held_.at(what.below(3));
        auto pinned = readers_.at(which).pin(got, ec);
        must_hold(!ec || ec == errc::pin_refused || ec == errc::pins_in_use ||
                      ec == errc::message_overwritten || ec == errc::closed ||
                      ec == errc::slot_lost || ec == errc::slot_overwritten,
                  "a message is not pinned for a documented reason");
        must_hold(pinned.is_open() == !ec, "a message is pinned, or there is an error");
        place = std::move(pinned);
    }
    void check_held() const {
        for (const auto& each : held_) {
            std::byte all{};
            for (const std::byte one : each.message().bytes)
                all |= one;
            must_hold(!honest_ || !each.still_valid() || each.message().bytes.empty() ||
                          all == fill(each.message().sequence),
                      "a message that is held is whole");
        }
    }
    void view(std::size_t which, test::schedule& what) {
        std::error_code ec;
        const auto& from = readers_.at(which);
        const auto got = readers_.at(which).try_view(ec);
        expect(ec);
        if (!got)
            return;
        must_hold(got->bytes.size() <= test::small_section, "a view is in the section");
        std::byte all{};
        for (const std::byte each : got->bytes) // a sanitizer sees if it is not
            all |= each;
        must_hold(!honest_ || !from.still_valid(*got) || got->bytes.empty() ||
                      all == fill(got->sequence),
                  "a view is whole");
        check(which, *got);
        check_held();
        if (what.below(2) == 0)
            pin(which, *got, what);
    }
    /// Within one attachment, the numbers add up.
    void check(std::size_t which, const ivshmem::topic_message& got) {
        auto& [session, sum] = counts_.at(which);
        if (honest_ && session == got.session && session != 0)
            must_hold(sum + got.skipped + 1 == got.sequence || sum == got.sequence,
                      "what was read and skipped adds up");
        session = got.session;
        sum = got.sequence;
    }

    const ivshmem::device& of_;
    const std::uint32_t number_;
    ivshmem::slot slot_;
    std::array<ivshmem::topic_writer, names.size()> writers_;
    std::array<ivshmem::topic_reader, names.size()> readers_;
    std::array<ivshmem::topic_pin, 3> held_;
    std::array<std::pair<std::uint32_t, std::uint64_t>, names.size()> counts_{};
    std::vector<std::byte> buffer_;
    bool honest_ = true;
};

struct world {
    test::meeting meeting{test::small_region};
    ivshmem::device first = meeting.join(1);
    ivshmem::device second = meeting.join(2);
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static world all;
    test::restart_random();
    test::restart_time();
    all.meeting.clear();
    test::schedule what{std::span{data, size}};
    const std::uint8_t mode = what.byte();
    const bool honest = (mode & 1U) != 0;
    test::liar liar{all.meeting.memory(), 1, (mode & 2U) != 0};
    side us{all.first, 0};
    side them{all.second, 1};
    if (!honest) {
        us.doubt();
        them.doubt();
    }
    while (!what.empty()) {
        const std::uint8_t choice = what.byte();
        if (choice < 90)
            us.play(what);
        else if (choice < 180)
            them.play(what);
        else if (choice == 255)
            them.start_again();
        else if (choice > 250)
            test::pass(std::chrono::milliseconds{what.byte()});
        else if (!honest && choice < 240)
            test::lie_about_topics(all.meeting.memory(), (mode & 2U) != 0 ? what.below(2) : 1,
                                   what);
        else if (!honest)
            liar.lie(what);
    }
    return 0;
}
