// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Opening, connecting, resetting and closing a channel ("Opening, resetting, closing" of
// channel-layout.md) under the C++ memory model, with the orderings of
// lib/channel/channel_session.cpp. Each weakened ordering must be found.

#include "relacy_run.hpp"

namespace test {
namespace {

constexpr std::uint32_t old_message = 7; ///< a head that an earlier session has left
constexpr std::uint32_t message = 9;
constexpr std::uint32_t old_cursor = 8;

/// The words of a block, with the first head of its ring, and the payload of that record.
struct session_block {
    void clear(std::uint32_t in_session, std::uint32_t acknowledged) {
        for (auto* const word : {&flags, &limit})
            word->store(0, rl::mo_relaxed, RL_INFO);
        epoch.store(in_session, rl::mo_relaxed, RL_INFO);
        ack.store(acknowledged, rl::mo_relaxed, RL_INFO);
        cursor.store(old_cursor, rl::mo_relaxed, RL_INFO);
        head.store(old_message, rl::mo_relaxed, RL_INFO);
        payload(RL_INFO) = old_message;
    }

    rl::atomic<std::uint32_t> epoch;
    rl::atomic<std::uint32_t> ack;
    rl::atomic<std::uint32_t> flags;
    rl::atomic<std::uint32_t> limit;
    rl::atomic<std::uint32_t> cursor;
    rl::atomic<std::uint32_t> head;
    rl::var<std::uint32_t> payload;
};

/// One side of a channel, with an ordering that it weakens.
template <mutation Mutation>
class side {
  public:
    side(session_block& mine, session_block& theirs) : mine_{mine}, theirs_{theirs} {}

    static void publish(rl::atomic<std::uint32_t>& word, std::uint32_t value) {
        word.store(value, Mutation == mutation::relaxed_publish ? rl::mo_relaxed : rl::mo_release,
                   RL_INFO);
    }
    static std::uint32_t look(rl::atomic<std::uint32_t>& word) {
        return word.load(Mutation == mutation::relaxed_look ? rl::mo_relaxed : rl::mo_acquire,
                         RL_INFO);
    }

    void open(std::uint32_t epoch) {
        publish(mine_.epoch, 0);
        if (Mutation != mutation::no_fence)
            rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO);
        for (auto* const word : {&mine_.head, &mine_.cursor, &mine_.ack, &mine_.flags})
            word->store(0, rl::mo_relaxed, RL_INFO);
        mine_.limit.store(epoch, rl::mo_relaxed, RL_INFO);
        epoch_ = epoch;
        ack_ = 0;
        publish(mine_.epoch, epoch_);
    }
    void connect() {
        while (!try_connect())
            rl::yield(1, RL_INFO);
        // The words of the session that it is connected to, not of an earlier one.
        RL_ASSERT(theirs_.limit.load(rl::mo_relaxed, RL_INFO) == ack_);
    }
    void send() {
        mine_.payload(RL_INFO) = message;
        publish(mine_.head, message);
    }
    void receive() {
        std::uint32_t head = 0;
        while ((head = look(theirs_.head)) == 0)
            rl::yield(1, RL_INFO);
        RL_ASSERT(head == message);
        RL_ASSERT(theirs_.payload(RL_INFO) == message);
    }
    void finish() { publish(mine_.flags, layout::finished); }
    /// As a side that is connected to a session: until the peer opens again.
    void stay_connected(std::uint32_t epoch, std::uint32_t ack) {
        epoch_ = epoch;
        ack_ = ack;
        if (look(theirs_.head) == old_message)
            RL_ASSERT(theirs_.payload(RL_INFO) == old_message);
        do {
            // A cursor that goes back is a fault, unless the peer has opened again.
            if (look(theirs_.cursor) != old_cursor)
                RL_ASSERT(look(theirs_.epoch) != ack_);
            rl::yield(1, RL_INFO);
        } while (look(theirs_.epoch) == ack_);
    }
    /// @return Whether there was a message before the end.
    bool received_until_end(std::uint32_t ack) {
        while (look(theirs_.head) == 0) {
            if ((look(theirs_.flags) & layout::finished) != 0 && look(theirs_.head) == 0 &&
                look(theirs_.epoch) == ack)
                return false;
            rl::yield(1, RL_INFO);
        }
        return true;
    }

  private:
    bool try_connect() {
        for (int attempt = 0; attempt < 2; ++attempt) {
            const std::uint32_t epoch = look(theirs_.epoch);
            if (epoch != ack_) {
                ack_ = epoch;
                mine_.cursor.store(0, rl::mo_relaxed, RL_INFO);
                publish(mine_.ack, ack_);
            }
            if (ack_ == 0 || look(theirs_.ack) != epoch_)
                return false;
            if (look(theirs_.epoch) == ack_)
                return true;
        }
        return false;
    }

    session_block& mine_;
    session_block& theirs_;
    std::uint32_t epoch_ = 0;
    std::uint32_t ack_ = 0;
};

template <typename Test, mutation First, mutation Second>
struct two_sides : rl::test_suite<Test, 2> {
    session_block of_first;
    session_block of_second;
    side<First> first{of_first, of_second};
    side<Second> second{of_second, of_first};
};

/// Both open a lane that was used before, in any order, and exchange a message.
template <mutation First, mutation Second>
struct meeting : two_sides<meeting<First, Second>, First, Second> {
    void before() {
        this->of_first.clear(0, 0);
        this->of_second.clear(0, 0);
    }
    void thread(unsigned index) {
        if (index == 0)
            meet(this->first, 11);
        else
            meet(this->second, 21);
    }
    template <typename Side>
    static void meet(Side& own, std::uint32_t epoch) {
        own.open(epoch);
        own.connect();
        own.send();
        own.receive();
    }
};

/// The first one opens again, while the second one is still in the session before.
template <mutation First, mutation Second>
struct reset : two_sides<reset<First, Second>, First, Second> {
    void before() {
        this->of_first.clear(10, 20);
        this->of_second.clear(20, 10);
    }
    void thread(unsigned index) {
        if (index == 0) {
            this->first.open(11);
            this->first.connect();
            this->first.send();
            return;
        }
        this->second.stay_connected(20, 10);
        this->second.open(21);
        this->second.connect();
        this->second.receive();
    }
};

/// The first one sends a message and finishes: the second one receives it before the end.
template <mutation First, mutation Second>
struct ending : two_sides<ending<First, Second>, First, Second> {
    void before() {
        this->of_first.clear(10, 20);
        this->of_first.head.store(0, rl::mo_relaxed, RL_INFO);
        this->of_second.clear(20, 10);
    }
    void thread(unsigned index) {
        if (index == 0) {
            this->first.send();
            this->first.finish();
        } else {
            RL_ASSERT(this->second.received_until_end(10));
        }
    }
};

} // namespace
} // namespace test

int main() {
    using namespace test;
    using enum mutation;
    relacy_totals totals;
    run<meeting<none, none>>(totals, "two sides that open", true, 2);
    run<reset<none, none>>(totals, "a side that opens again", true, 2);
    run<ending<none, none>>(totals, "a side that finishes", true);

    run<meeting<relaxed_publish, none>>(totals, "an epoch published relaxed", false, 2);
    run<meeting<none, relaxed_look>>(totals, "an epoch looked at relaxed", false, 2);
    run<reset<relaxed_publish, none>>(totals, "again: an epoch published relaxed", false, 2);
    run<reset<no_fence, none>>(totals, "again: no fence after the epoch was cleared", false, 2);
    run<reset<none, relaxed_publish>>(totals, "again: an ack published relaxed", false, 2);
    run<reset<relaxed_look, none>>(totals, "again: an ack looked at relaxed", false, 2);
    run<reset<none, relaxed_look>>(totals, "again: a cursor looked at relaxed", false, 2);
    run<ending<relaxed_publish, none>>(totals, "a flag published relaxed", false);
    run<ending<none, relaxed_look>>(totals, "a flag looked at relaxed", false);
    return totals.report();
}
