// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer in C that writes and reads topics, a slot of the library that does, and a peer that writes
// words as the input says, between their steps and in the hooks. Nothing may crash, hang, or touch
// memory that is not its own. Without a false word every message is whole, and what was read and
// skipped adds up to its number.

#include "fixed_random.hpp"
#include "fixed_time.hpp"
#include "helpers/channel_meeting.hpp"
#include "ivshmem_peer_topics.h"
#include "liar.hpp"
#include "must_hold.hpp"
#include "topic_liar.hpp"

#include <ivshmem/slot.hpp>
#include <ivshmem/topic_reader.hpp>
#include <ivshmem/topic_writer.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using test::must_hold;

constexpr std::array<const char*, 3> names{"a", "b", "c"};

unsigned char fill(std::uint64_t number) {
    return static_cast<unsigned char>(number * 7 + 1);
}

/// The peer in C, in slot 1.
class in_c {
  public:
    in_c(std::span<std::byte> memory, std::function<void()> disturb)
        : disturb_{std::move(disturb)} {
        config_.memory = memory.data();
        config_.memory_size = memory.size();
        config_.id = 2;
        config_.slot = 1;
        config_.slots = test::small.slots;
        config_.lanes = test::small.lanes;
        config_.ring_size = test::small.ring_size;
        config_.context = this;
        config_.hooks.ring = [](void* self, std::uint16_t, std::uint16_t) {
            static_cast<in_c*>(self)->disturb_();
        };
        config_.hooks.now = [](void* self) {
            static_cast<in_c*>(self)->disturb_();
            return static_cast<in_c*>(self)->time_;
        };
        config_.hooks.random = [](void* self) {
            auto& last = static_cast<in_c*>(self)->random_;
            return last = last * 1664525U + 1013904223U;
        };
        start_again();
    }
    void start_again() {
        readers_ = {};
        writers_ = {};
        counts_ = {};
        ivshmem_peer_begin(&peer_, &config_);
        for (int waits = 0; waits < 20 && peer_.phase == IVSHMEM_PEER_CLAIMING; ++waits) {
            time_ += 20;
            ivshmem_peer_poll(&peer_);
        }
    }
    void play(test::schedule& what) {
        const std::size_t which = what.below(names.size());
        if (peer_.phase == IVSHMEM_PEER_ENDED && what.below(2) == 0)
            start_again();
        switch (what.below(12)) {
        case 0:
            ivshmem_peer_topic_end(&writers_.at(which)); // its memory is replaced
            kept_.at(which).assign(2 + test::small.slots + what.below(40), 0);
            return void(ivshmem_peer_topic_create(&peer_, &writers_.at(which), names.at(which),
                                                  what.below(4096), kept_.at(which).data(),
                                                  size(kept_.at(which))));
        case 1:
            return ivshmem_peer_topic_end(&writers_.at(which));
        case 2:
        case 3:
        case 4:
            return publish(writers_.at(which), what.below(5000));
        case 5:
            ivshmem_peer_topic_close(&readers_.at(which));
            known_.at(which).assign(std::size_t{2} * test::small.slots, 0);
            counts_.at(which) = {};
            return void(ivshmem_peer_topic_open(&peer_, &readers_.at(which), names.at(which),
                                                what.below(20), known_.at(which).data(),
                                                size(known_.at(which))));
        case 6:
            return ivshmem_peer_topic_close(&readers_.at(which));
        case 7:
        case 8:
            return read(which, what.below(3000), what.below(4) == 0);
        case 9:
            return view(which);
        case 10:
            time_ += what.byte();
            ivshmem_peer_arm(&peer_);
            return void(ivshmem_peer_poll(&peer_));
        default:
            if (what.below(8) == 0)
                return ivshmem_peer_leave(&peer_);
            return void(ivshmem_peer_topic_reopen(&readers_.at(which)));
        }
    }
    void doubt() { honest_ = false; }

  private:
    static std::uint32_t size(const std::vector<std::uint32_t>& words) {
        return static_cast<std::uint32_t>(words.size());
    }
    static void publish(ivshmem_peer_topic_writer& to, std::uint32_t length) {
        unsigned char* lent = ivshmem_peer_topic_loan(&to, length);
        if (lent == nullptr)
            return;
        std::fill_n(lent, length, fill(to.newest + 1));
        ivshmem_peer_topic_publish(&to, 0);
    }
    void read(std::size_t which, std::uint32_t capacity, bool latest) {
        std::vector<unsigned char> into(capacity); // a sanitizer sees each byte beside it
        ivshmem_peer_topic_message m{};
        auto& from = readers_.at(which);
        const auto got = latest ? ivshmem_peer_topic_read_latest(&from, into.data(), capacity, &m)
                                : ivshmem_peer_topic_read(&from, into.data(), capacity, &m);
        must_hold(!honest_ || got != IVSHMEM_PEER_FAULT, "an honest writer is not accused");
        if (got != IVSHMEM_PEER_OK)
            return;
        must_hold(m.length <= capacity, "a message is within its bounds");
        for (std::uint32_t i = 0; honest_ && i < m.length; ++i)
            must_hold(into[i] == fill(m.number), "a message is whole");
        check(which, m);
    }
    void view(std::size_t which) {
        ivshmem_peer_topic_message m{};
        auto& from = readers_.at(which);
        if (ivshmem_peer_topic_view(&from, &m) != IVSHMEM_PEER_OK)
            return;
        unsigned char all = 0;
        for (std::uint32_t i = 0; i < m.length; ++i)
            all |= m.data[i];
        must_hold(m.length <= test::small_section, "a view is in the section");
        must_hold(!honest_ || m.length == 0 || all == fill(m.number) ||
                      !ivshmem_peer_topic_is_valid(&from, &m),
                  "a view is whole");
        check(which, m);
    }
    /// Within one attachment, the numbers add up.
    void check(std::size_t which, const ivshmem_peer_topic_message& m) {
        auto& [session, sum] = counts_.at(which);
        if (honest_ && session == m.session && session != 0)
            must_hold(sum + m.skipped + 1 == m.number || sum == m.number,
                      "what was read and skipped adds up");
        session = m.session;
        sum = m.number;
    }

    std::function<void()> disturb_;
    ivshmem_peer peer_{};
    ivshmem_peer_config config_{};
    std::uint32_t time_ = 1000, random_ = 1;
    std::array<ivshmem_peer_topic_writer, names.size()> writers_{};
    std::array<ivshmem_peer_topic_reader, names.size()> readers_{};
    std::array<std::vector<std::uint32_t>, names.size()> kept_, known_;
    std::array<std::pair<std::uint32_t, std::uint64_t>, names.size()> counts_{};
    bool honest_ = true;
};

/// The library, in slot 0.
class in_cpp {
  public:
    explicit in_cpp(const ivshmem::device& of) {
        std::error_code ec;
        ivshmem::slot_options options;
        options.number = 0;
        options.geometry = test::small;
        slot_ = ivshmem::slot::claim(of, options, ec);
    }
    void play(test::schedule& what) {
        const std::size_t which = what.below(names.size());
        std::error_code ec;
        switch (what.below(6)) {
        case 0:
            writers_.at(which).close();
            writers_.at(which) = ivshmem::topic_writer::create(
                slot_, names.at(which),
                {.size = what.below(64) * std::uint64_t{64}, .messages = what.below(40)}, ec);
            return;
        case 1:
            readers_.at(which) =
                ivshmem::topic_reader::open(slot_, names.at(which), {.history = 5}, ec);
            return;
        case 2:
            static_cast<void>(readers_.at(which).try_read(buffer_, ec));
            return must_hold(!honest || ec != ivshmem::errc::topic_poisoned,
                             "the library does not accuse the peer in C");
        case 3:
            static_cast<void>(readers_.at(which).arm());
            return;
        default: {
            const auto lent = writers_.at(which).loan(what.below(3000), ec);
            if (ec)
                return;
            std::fill(lent.begin(), lent.end(),
                      static_cast<std::byte>(fill(writers_.at(which).sequence() + 1)));
            writers_.at(which).publish(ec);
        }
        }
    }

    bool honest = true;

  private:
    ivshmem::slot slot_;
    std::array<ivshmem::topic_writer, names.size()> writers_;
    std::array<ivshmem::topic_reader, names.size()> readers_;
    std::vector<std::byte> buffer_;
};

struct world {
    test::meeting meeting{test::small_region};
    ivshmem::device first = meeting.join(1);
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static world all;
    test::restart_random();
    test::restart_time();
    all.meeting.clear();
    test::schedule what{std::span{data, size}};
    const bool honest = (what.byte() & 1U) != 0;
    test::liar liar{all.meeting.memory(), 0, false};
    const auto lie = [&] {
        if (what.below(4) != 0)
            test::lie_about_topics(all.meeting.memory(), what.below(2), what);
        else
            liar.lie(what);
    };
    in_cpp library{all.first};
    in_c peer{all.meeting.memory(), [&] {
                  if (!honest && !what.empty() && what.below(8) == 0)
                      lie();
              }};
    if (!honest) {
        library.honest = false;
        peer.doubt();
    }
    while (!what.empty()) {
        const std::uint8_t choice = what.byte();
        if (choice < 110)
            peer.play(what);
        else if (choice < 200)
            library.play(what);
        else if (!honest)
            lie();
    }
    return 0;
}
