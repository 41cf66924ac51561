// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Claiming a slot ("Claiming a slot" of channel-layout.md) under the C++ memory model, with the
// orderings of lib/channel/slot_claim.cpp and slot_impl.cpp. Time does not exist here: the model of
// the claim (test/model/claim.pml) has it. Each weakened ordering must be found.

#include "relacy_run.hpp"

namespace test {
namespace {

constexpr std::uint32_t first = 1;
constexpr std::uint32_t second = 2;
constexpr std::uint32_t theirs = 7; ///< the id of the first peer

/// The words of a header.
struct relacy_header {
    rl::atomic<std::uint32_t> incarnation;
    rl::atomic<std::uint32_t> claim;
    rl::atomic<std::uint32_t> peer;

    void clear(std::uint32_t holder) {
        incarnation.store(holder, rl::mo_relaxed, RL_INFO);
        claim.store(holder, rl::mo_relaxed, RL_INFO);
        peer.store(0, rl::mo_relaxed, RL_INFO);
    }
};

template <mutation Mutation>
void publish(rl::atomic<std::uint32_t>& word, std::uint32_t value) {
    word.store(value, Mutation == mutation::relaxed_publish ? rl::mo_relaxed : rl::mo_release,
               RL_INFO);
}
template <mutation Mutation>
std::uint32_t look(rl::atomic<std::uint32_t>& word) {
    return word.load(Mutation == mutation::relaxed_look ? rl::mo_relaxed : rl::mo_acquire, RL_INFO);
}
template <mutation Mutation>
void fence() {
    if (Mutation != mutation::no_fence)
        rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO);
}

/// One peer moves in while another claims the slot: the claimant finds it and asks, or the holder
/// finds the claim and answers it. A claimant that asks rings the right peer.
template <mutation Holder, mutation Claimant>
struct move_in : rl::test_suite<move_in<Holder, Claimant>, 2> {
    void before() { header.clear(0); }
    void thread(unsigned index) {
        if (index == 0) {
            header.peer.store(theirs, rl::mo_relaxed, RL_INFO);
            publish<Holder>(header.incarnation, first);
            fence<Holder>();
            if (header.claim.load(rl::mo_relaxed, RL_INFO) == second) {
                publish<Holder>(header.claim, first);
                answered = true;
            }
            return;
        }
        publish<Claimant>(header.claim, second);
        fence<Claimant>();
        if (look<Claimant>(header.incarnation) == first) {
            asked = true;
            RL_ASSERT(header.peer.load(rl::mo_relaxed, RL_INFO) == theirs);
        }
    }
    void after() {
        RL_ASSERT(asked || answered);
        asked = answered = false;
    }

    relacy_header header;
    bool asked = false;
    bool answered = false;
};

/// A peer takes the slot of a holder: the holder that sees a word of the new one sees that the slot
/// is lost, and does not take it for overwritten.
template <mutation Old, mutation New>
struct change_hands : rl::test_suite<change_hands<Old, New>, 2> {
    void before() { header.clear(first); }
    void thread(unsigned index) {
        if (index == 0) {
            publish<New>(header.incarnation, 0);
            fence<New>(); // before the stores below
            header.peer.store(theirs, rl::mo_relaxed, RL_INFO);
            publish<New>(header.incarnation, second);
            return;
        }
        const bool intact = header.peer.load(rl::mo_relaxed, RL_INFO) == 0;
        fence<Old>(); // a new holder writes the incarnation before it writes the rest
        const bool held = look<Old>(header.incarnation) == first;
        RL_ASSERT(intact || !held);
    }

    relacy_header header;
};

} // namespace
} // namespace test

int main() {
    using namespace test;
    using enum mutation;
    relacy_totals totals;
    run<move_in<none, none>>(totals, "a claim while a peer moves in", true);
    run<change_hands<none, none>>(totals, "a slot that changes hands", true);

    run<move_in<no_fence, none>>(totals, "no fence after moving in", false);
    run<move_in<none, no_fence>>(totals, "no fence after the claim", false);
    run<move_in<relaxed_publish, none>>(totals, "an incarnation published relaxed", false);
    run<move_in<none, relaxed_look>>(totals, "an incarnation looked at relaxed", false);
    run<change_hands<none, no_fence>>(totals, "no fence after the incarnation was cleared", false);
    run<change_hands<no_fence, none>>(totals, "no fence before the incarnation is looked at",
                                      false);
    return totals.report();
}
