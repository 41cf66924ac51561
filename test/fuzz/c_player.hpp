// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "ivshmem_peer.h"
#include "liar.hpp"
#include "must_hold.hpp"
#include "schedule.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace test {

/// A peer in C, in slot 1, that performs all operations in the order of a schedule.
class c_player {
  public:
    /// @param streams Also reads messages as a stream, of which an empty message is a fault.
    /// @param disturb Called within the operations, wherever they call a hook.
    c_player(std::span<std::byte> memory, std::uint32_t heartbeat, bool streams,
             std::function<void()> disturb)
        : streams_{streams}, disturb_{std::move(disturb)} {
        config_.memory = memory.data();
        config_.memory_size = memory.size();
        config_.id = 2;
        config_.slot = 1;
        config_.slots = small.slots;
        config_.lanes = small.lanes;
        config_.ring_size = small.ring_size;
        config_.heartbeat = heartbeat;
        config_.context = this;
        config_.hooks.ring = [](void* self, std::uint16_t, std::uint16_t) {
            static_cast<c_player*>(self)->disturb_();
        };
        config_.hooks.now = [](void* self) {
            static_cast<c_player*>(self)->disturb_();
            return static_cast<c_player*>(self)->time_;
        };
        config_.hooks.random = [](void* self) {
            auto& last = static_cast<c_player*>(self)->random_;
            return last = last * 1664525U + 1013904223U;
        };
        start_again();
    }
    /// Opens a channel, unless it is open, and looks.
    void meet() {
        ivshmem_peer_open(&peer_, channels_.data(), 0, 0, limit);
        ivshmem_peer_poll(&peer_);
    }
    /// @return Whether a side of the channels is said to have broken the rules.
    [[nodiscard]] bool accuses() const {
        for (const auto& c : channels_)
            if (c.state == IVSHMEM_PEER_CHANNEL_POISONED ||
                c.state == IVSHMEM_PEER_CHANNEL_REJECTED)
                return true;
        return false;
    }
    void play(schedule& what) {
        if (peer_.phase == IVSHMEM_PEER_ENDED && what.below(2) == 0)
            start_again();
        ivshmem_peer_channel& c = channels_.at(what.byte() < 200 ? 0 : 1);
        switch (what.below(20)) {
        case 0:
            return void(ivshmem_peer_poll(&peer_));
        case 1:
            time_ += what.byte();
            return void(ivshmem_peer_poll(&peer_));
        case 2:
            return void(ivshmem_peer_arm(&peer_));
        case 3:
            return void(ivshmem_peer_wait(&peer_, IVSHMEM_PEER_NO_LIMIT));
        case 4:
            return void(ivshmem_peer_open(&peer_, &c, what.below(3), what.below(2), limit));
        case 5:
            return void(ivshmem_peer_reopen(&c));
        case 6:
            return what.below(4) == 0 ? ivshmem_peer_close(&c) : ivshmem_peer_finish(&c);
        case 7:
        case 8:
            return send(c, what);
        case 9:
        case 10:
            return send_some(c, what);
        case 11:
            sent_ = 0;
            return ivshmem_peer_abandon(&c);
        case 12:
        case 13:
        case 14:
            return receive(c, what);
        case 15:
            return ivshmem_peer_skip(&c);
        case 16:
            return stream(c, what);
        case 17:
            return services(c, what);
        case 18:
            c.holds_back = what.below(2) == 0;
            return void(ivshmem_peer_drained(&c));
        default:
            return depart(what);
        }
    }

  private:
    static constexpr std::uint32_t limit = 4096;

    void start_again() {
        channels_ = {};
        sent_ = 0;
        ivshmem_peer_begin(&peer_, &config_);
        for (int waits = 0; waits < 20 && peer_.phase == IVSHMEM_PEER_CLAIMING; ++waits) {
            time_ += 20;
            ivshmem_peer_poll(&peer_);
        }
    }
    /// A block of exactly the size, so that a sanitizer sees each byte beside it.
    static std::vector<unsigned char> buffer(std::uint32_t size) {
        return std::vector<unsigned char>(size, 0x5a);
    }
    static std::uint32_t any_size(schedule& what) {
        constexpr std::array<std::uint32_t, 8> sizes{0, 1, 7, 8, 504, 505, 1024, limit + 1};
        return what.below(2) == 0 ? sizes.at(what.below(sizes.size())) : what.below(600);
    }
    static void send(ivshmem_peer_channel& c, schedule& what) {
        const auto size = any_size(what);
        const auto from = buffer(size);
        ivshmem_peer_send(&c, from.data(), size);
    }
    void send_some(ivshmem_peer_channel& c, schedule& what) {
        if (sent_ == 0)
            size_ = any_size(what);
        const auto from = buffer(size_);
        if (ivshmem_peer_send_some(&c, from.data(), size_, &sent_) != IVSHMEM_PEER_AGAIN)
            sent_ = 0;
    }
    static void receive(ivshmem_peer_channel& c, schedule& what) {
        const std::uint32_t capacity = what.below(2) == 0 ? limit : any_size(what);
        auto into = buffer(capacity);
        std::uint32_t size = 0;
        if (ivshmem_peer_receive(&c, into.data(), capacity, &size) == IVSHMEM_PEER_OK)
            must_hold(size <= capacity && size <= limit, "a message is within its bounds");
    }
    void stream(ivshmem_peer_channel& c, schedule& what) {
        const auto size = any_size(what);
        auto bytes = buffer(size);
        std::uint32_t count = 0;
        if (what.below(2) == 0 || !streams_)
            ivshmem_peer_write(&c, bytes.data(), size, &count);
        else
            ivshmem_peer_read(&c, bytes.data(), size, &count);
        must_hold(count <= size, "a stream moves no more than was asked for");
    }
    void services(ivshmem_peer_channel& c, schedule& what) {
        static constexpr std::array names{"clock", "store", "x"}; // as player's
        const char* const name = names.at(what.below(names.size()));
        std::uint32_t slot = 0;
        switch (what.below(5)) {
        case 0:
            key_ = ivshmem_peer_offer(&peer_, name);
            break;
        case 1:
            ivshmem_peer_withdraw(&peer_, key_);
            break;
        case 2:
            if (ivshmem_peer_find(&peer_, name, &slot) != 0)
                must_hold(slot == 0, "a service is in another slot");
            break;
        case 3:
            ivshmem_peer_request(&peer_, &c, name, limit);
            break;
        default:
            ivshmem_peer_accept(&peer_, &c, key_, limit);
        }
    }
    void depart(schedule& what) {
        switch (what.below(6)) {
        case 0:
            ivshmem_peer_gone(&peer_, what.byte());
            break;
        case 1:
            ivshmem_peer_came(&peer_, what.byte());
            break;
        case 2:
            ivshmem_peer_leave(&peer_);
            break;
        default:
            ivshmem_peer_is_lost(&peer_, what.byte());
        }
    }

    bool streams_;
    std::function<void()> disturb_;
    ivshmem_peer_config config_{};
    ivshmem_peer peer_{};
    std::array<ivshmem_peer_channel, 2> channels_{};
    std::uint32_t time_ = 0;
    std::uint32_t random_ = 1;
    std::uint32_t size_ = 0;
    std::uint32_t sent_ = 0;
    std::uint32_t key_ = 0;
};

} // namespace test
