// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The shipped rings and the handshake for sleeping under the C++ memory model: Relacy tries
// interleavings, and the values that relaxed loads may return. Each weakened ordering must be
// found.

#include "channel/ring_consumer.hpp"
#include "channel/ring_producer.hpp"
#include "channel/wake_handshake.hpp"
#include "relacy_run.hpp"

namespace test {
namespace {

constexpr auto no_fault = ivshmem::layout_violation::none;

/// Both ends of a ring. The messages' words are numbered, so that a wrong word is detected.
template <typename Test, mutation Sender, mutation Receiver>
struct two_ends : rl::test_suite<Test, 2> {
    template <mutation Mutation>
    using producer = ivshmem::ring_producer<relacy_words<Mutation>>;

    void before() {
        of_sender.clear();
        of_receiver.clear();
    }
    /// @return false if there is no room.
    bool stage(std::uint32_t number, std::uint32_t length) {
        if (!out.reserve(length)) {
            RL_ASSERT(out.fault() == no_fault);
            return false;
        }
        for (std::uint32_t i = 0; i < length; i += 4) {
            const std::uint32_t value = number * 16 + i + 1;
            relacy_words<Sender>{of_sender}.write(out.payload() + i,
                                                  std::as_bytes(std::span{&value, 1}));
        }
        out.stage(length, layout::kind::last, length);
        return true;
    }
    /// @return false if there is no message.
    bool receive(std::uint32_t number, std::uint32_t length) {
        ivshmem::ring_record record;
        if (!in.front(record)) {
            RL_ASSERT(in.fault() == no_fault);
            return false;
        }
        RL_ASSERT(record.length == length);
        for (std::uint32_t i = 0; i < length; i += 4) {
            std::uint32_t value = 0;
            relacy_words<Receiver>{of_sender}.read(record.payload + i,
                                                   std::as_writable_bytes(std::span{&value, 1}));
            RL_ASSERT(value == number * 16 + i + 1);
        }
        in.pop(record);
        return true;
    }

    relacy_block of_sender;
    relacy_block of_receiver;
    ivshmem::ring_producer<relacy_words<Sender>> out{relacy_words<Sender>{of_sender},
                                                     relacy_words<Sender>{of_receiver}, ring_size};
    ivshmem::ring_consumer<relacy_words<Receiver>> in{
        relacy_words<Receiver>{of_receiver}, relacy_words<Receiver>{of_sender}, ring_size, 64};
    ivshmem::wake_handshake<relacy_words<Sender>> sender_wakes{relacy_words<Sender>{of_sender},
                                                               relacy_words<Sender>{of_receiver}};
    ivshmem::wake_handshake<relacy_words<Receiver>> receiver_wakes{
        relacy_words<Receiver>{of_receiver}, relacy_words<Receiver>{of_sender}};
    std::uint32_t rung = 0; ///< the last wake word that was answered
    bool asleep = false;
};

/// Three messages in a ring that holds two: a batch, a pad, reused room.
template <mutation Sender, mutation Receiver>
struct stream : two_ends<stream<Sender, Receiver>, Sender, Receiver> {
    void thread(unsigned index) {
        if (index == 0) {
            RL_ASSERT(this->stage(0, 12));
            RL_ASSERT(this->stage(1, 12));
            this->out.publish();
            while (!this->stage(2, 12))
                rl::yield(1, RL_INFO);
            this->out.publish();
            return;
        }
        for (std::uint32_t number = 0; number < 3; ++number) {
            while (!this->receive(number, 12))
                rl::yield(1, RL_INFO);
            if (this->in.release_due())
                this->in.release();
        }
    }
};

/// Messages that are sent and received in one step if possible, in a ring that holds three: reused
/// room.
template <mutation Sender, mutation Receiver>
struct one_step : two_ends<one_step<Sender, Receiver>, Sender, Receiver> {
    static constexpr std::uint32_t count = 5; // the last one takes the room of the first one
    static constexpr std::uint32_t length = 8;

    void thread(unsigned index) {
        for (std::uint32_t number = 0; number < count; ++number) {
            while (!(index == 0 ? send(number) : take(number)))
                rl::yield(1, RL_INFO);
        }
    }
    bool send(std::uint32_t number) {
        const std::array<std::uint32_t, 2> message{number * 16 + 1, number * 16 + 5};
        const auto write = [&](const auto& mine, std::size_t at) {
            mine.write(at, std::as_bytes(std::span{message}));
        };
        if (this->out.send(length, write))
            return true;
        if (!this->stage(number, length))
            return false;
        this->out.publish();
        return true;
    }
    bool take(std::uint32_t number) {
        std::array<std::uint32_t, 2> message{};
        const auto takes = [](std::uint32_t size) {
            return size == length;
        };
        const auto read = [&](const auto& theirs, std::size_t at, std::uint32_t) {
            theirs.read(at, std::as_writable_bytes(std::span{message}));
        };
        if (this->in.receive(takes, read)) {
            RL_ASSERT(message[0] == number * 16 + 1 && message[1] == number * 16 + 5);
        } else if (!this->receive(number, length)) {
            return false;
        }
        if (this->in.release_due())
            this->in.release();
        return true;
    }
};

/// A receiver that sleeps because it finds no message is rung for the next one.
template <mutation Sender, mutation Receiver>
struct sleep_for_data : two_ends<sleep_for_data<Sender, Receiver>, Sender, Receiver> {
    static constexpr std::uint32_t count = 2;

    void thread(unsigned index) {
        if (index == 0) {
            for (std::uint32_t number = 0; number < count; ++number) {
                RL_ASSERT(this->stage(number, 4));
                this->out.publish();
                if (const auto word = this->sender_wakes.to_ring_for_data(); word != 0)
                    this->rung = word;
            }
            return;
        }
        while (received < count && !this->asleep) {
            if (this->receive(received, 4)) {
                ++received;
                continue;
            }
            this->receiver_wakes.ask(layout::wake_data, 0, 0);
            this->asleep = this->in.empty();
            if (!this->asleep)
                this->receiver_wakes.withdraw();
        }
    }
    void after() {
        if (this->asleep)
            RL_ASSERT(this->rung ==
                      relacy_words<mutation::none>{this->of_receiver}.load(layout::block::wake));
    }

    std::uint32_t received = 0;
};

/// A sender that sleeps because it finds no room is rung when there is room.
template <mutation Sender, mutation Receiver>
struct sleep_for_room : two_ends<sleep_for_room<Sender, Receiver>, Sender, Receiver> {
    static constexpr std::uint32_t count = 2;

    void thread(unsigned index) {
        if (index == 0) {
            while (sent < count && !this->asleep) {
                if (this->stage(sent, 24)) {
                    this->out.publish();
                    ++sent;
                    continue;
                }
                this->sender_wakes.ask(layout::wake_room, this->out.room_position(), 0);
                RL_ASSERT(this->out.look_at_cursor());
                this->asleep = !this->out.fits();
                if (!this->asleep)
                    this->sender_wakes.withdraw();
            }
            return;
        }
        while (!this->receive(0, 24))
            rl::yield(1, RL_INFO);
        this->in.release();
        if (const auto word = this->receiver_wakes.to_ring_for_room(this->in.cursor()); word != 0)
            this->rung = word;
    }
    void after() {
        if (this->asleep)
            RL_ASSERT(this->rung ==
                      relacy_words<mutation::none>{this->of_sender}.load(layout::block::wake));
    }

    std::uint32_t sent = 0;
};

/// Both ends sleep repeatedly until they are rung: neither sleeps forever.
template <mutation Sender, mutation Receiver>
struct conversation : two_ends<conversation<Sender, Receiver>, Sender, Receiver> {
    static constexpr std::uint32_t count = 3;

    void before() {
        two_ends<conversation<Sender, Receiver>, Sender, Receiver>::before();
        for (auto* const bell : {&bell_of_sender, &bell_of_receiver})
            bell->store(0, rl::mo_relaxed, RL_INFO);
    }
    /// A doorbell orders nothing.
    static void ring(rl::atomic<std::uint32_t>& bell, std::uint32_t word) {
        if (word != 0)
            bell.fetch_add(1, rl::mo_relaxed, RL_INFO);
    }
    static void sleep(rl::atomic<std::uint32_t>& bell) {
        while (bell.exchange(0, rl::mo_relaxed, RL_INFO) == 0)
            rl::yield(1, RL_INFO);
    }
    void thread(unsigned index) {
        if (index == 0)
            send();
        else
            receive_all();
    }
    void send() {
        for (std::uint32_t number = 0; number < count;) {
            if (this->stage(number, 24)) {
                this->out.publish();
                ring(bell_of_receiver, this->sender_wakes.to_ring_for_data());
                ++number;
                continue;
            }
            this->sender_wakes.ask(layout::wake_room, this->out.room_position(), 0);
            RL_ASSERT(this->out.look_at_cursor());
            if (!this->out.fits())
                sleep(bell_of_sender);
            this->sender_wakes.withdraw();
        }
    }
    void receive_all() {
        for (std::uint32_t number = 0; number < count;) {
            if (this->receive(number, 24)) {
                this->in.release();
                ring(bell_of_sender, this->receiver_wakes.to_ring_for_room(this->in.cursor()));
                ++number;
                continue;
            }
            this->receiver_wakes.ask(layout::wake_data, 0, 0);
            if (this->in.empty())
                sleep(bell_of_receiver);
            this->receiver_wakes.withdraw();
        }
    }

    rl::atomic<std::uint32_t> bell_of_sender;
    rl::atomic<std::uint32_t> bell_of_receiver;
};

} // namespace
} // namespace test

int main() {
    using namespace test;
    using enum mutation;
    relacy_totals totals;
    run<stream<none, none>>(totals, "a stream", true);
    run<one_step<none, none>>(totals, "a stream, each message in one step", true, 2);
    run<sleep_for_data<none, none>>(totals, "a receiver that sleeps", true);
    run<sleep_for_room<none, none>>(totals, "a sender that sleeps", true);
    run<conversation<none, none>>(totals, "both sleep", true, 2);

    run<stream<relaxed_publish, none>>(totals, "a head published relaxed", false);
    run<stream<none, relaxed_look>>(totals, "a head looked at relaxed", false);
    run<stream<none, relaxed_publish>>(totals, "a cursor published relaxed", false);
    run<stream<relaxed_look, none>>(totals, "a cursor looked at relaxed", false);
    run<one_step<relaxed_publish, none>>(totals, "one step: a head published relaxed", false);
    run<one_step<none, relaxed_look>>(totals, "one step: a head looked at relaxed", false);
    run<one_step<none, relaxed_publish>>(totals, "one step: a cursor published relaxed", false, 2);
    run<one_step<relaxed_look, none>>(totals, "one step: a cursor looked at relaxed", false, 2);
    run<sleep_for_data<no_fence, none>>(totals, "data: no fence where the peer is woken", false);
    run<sleep_for_data<none, no_fence>>(totals, "data: no fence before sleeping", false);
    run<sleep_for_room<none, no_fence>>(totals, "room: no fence where the peer is woken", false);
    run<sleep_for_room<no_fence, none>>(totals, "room: no fence before sleeping", false);

    run<conversation<no_fence, none>>(totals, "both: the sender has no fence", false);
    run<conversation<none, no_fence>>(totals, "both: the receiver has no fence", false);

    return totals.report();
}
