// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The shipped ends of a topic ("Topics" of channel-layout.md) under the C++ memory model: a writer
// that overwrites what a reader is about to read, a reader that falls asleep, and one that holds a
// message. Each weakened ordering must be found.

#include "channel/topic_consumer.hpp"
#include "channel/topic_producer.hpp"
#include "relacy_run.hpp"

namespace test {
namespace {

constexpr std::uint32_t key = 7;
constexpr std::uint32_t messages = 2;
constexpr std::uint64_t grain = layout::topics::grain;
/// The entry, the index, and data of two grains.
constexpr ivshmem::topic_place place{0, 256, 320, messages* grain, messages};

/// The pin in the section of the reader.
constexpr std::uint64_t pin_at = 4096;

/// A section with one topic, and a pin. Its bytes are words that are read and written relaxed: they
/// may be overwritten while they are read.
struct topic_section {
    void clear() {
        for (auto& word : records)
            word.store(0, rl::mo_relaxed, RL_INFO);
        for (auto* const word : {&newest, &wanted, &data[0], &data[1], &pin_mark, &pin_tag})
            word->store(0, rl::mo_relaxed, RL_INFO);
        oldest.store(layout::topic_mark_valid | 1U, rl::mo_relaxed, RL_INFO);
        topic_key.store(key, rl::mo_relaxed, RL_INFO);
    }
    rl::atomic<std::uint32_t>& word(std::size_t offset) {
        switch (offset) {
        case layout::topic::key:
            return topic_key;
        case layout::topic::newest:
            return newest;
        case layout::topic::oldest:
            return oldest;
        case pin_at + layout::topic_pin::mark:
            return pin_mark;
        case pin_at + layout::topic_pin::tag:
            return pin_tag;
        default:
            break;
        }
        if (offset >= place.data)
            return data[(offset - place.data) / grain];
        const std::size_t in_index = offset - place.index;
        return records[in_index / layout::topic_record::size * 6 +
                       in_index % layout::topic_record::size / 4];
    }

    std::array<rl::atomic<std::uint32_t>, std::size_t{messages} * 6> records;
    std::array<rl::atomic<std::uint32_t>, messages> data;
    rl::atomic<std::uint32_t> topic_key;
    rl::atomic<std::uint32_t> newest;
    rl::atomic<std::uint32_t> oldest;
    rl::atomic<std::uint32_t> wanted;
    rl::atomic<std::uint32_t> pin_mark;
    rl::atomic<std::uint32_t> pin_tag;
};

/// The section of the test that runs.
topic_section* current = nullptr;

/// Replaces shared_words.
template <mutation Mutation>
class topic_words {
  public:
    [[nodiscard]] std::uint32_t look(std::size_t offset) const {
        return current->word(offset).load(
            Mutation == mutation::relaxed_look ? rl::mo_relaxed : rl::mo_acquire, RL_INFO);
    }
    [[nodiscard]] std::uint32_t load(std::size_t offset) const {
        return current->word(offset).load(rl::mo_relaxed, RL_INFO);
    }
    void store(std::size_t offset, std::uint32_t value) const {
        current->word(offset).store(value, rl::mo_relaxed, RL_INFO);
    }
    void publish(std::size_t offset, std::uint32_t value) const {
        current->word(offset).store(
            value, Mutation == mutation::relaxed_publish ? rl::mo_relaxed : rl::mo_release,
            RL_INFO);
    }
    static void fence() {
        if (Mutation != mutation::no_fence)
            rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO);
    }
};

/// The bytes of a message follow from its number.
std::uint32_t bytes_of(std::uint64_t number) {
    return static_cast<std::uint32_t>(number) + 100;
}

template <typename Test, mutation Writer, mutation Reader>
struct two_ends : rl::test_suite<Test, 2> {
    void before() {
        current = &section;
        section.clear();
        out = fresh;
        in = {{}, place, key};
        last = 0;
    }
    void publish() {
        out.reserve(4);
        topic_words<Writer>{}.store(out.payload(), bytes_of(out.newest() + 1));
        out.publish(4, out.newest() + 1);
    }
    /// Reads a message, if one is there that is not overwritten meanwhile.
    bool read() {
        ivshmem::topic_record record;
        if (!in.next(record)) {
            RL_ASSERT(!in.is_broken());
            return false;
        }
        RL_ASSERT(record.number > last);
        RL_ASSERT(record.skipped + last + 1 == record.number);
        RL_ASSERT(record.length == 4);
        RL_ASSERT(record.time == record.number);
        const std::uint32_t bytes = topic_words<Reader>{}.load(record.payload);
        if (in.is_intact(record)) {
            RL_ASSERT(bytes == bytes_of(record.number));
        }
        last = record.number;
        return true;
    }

    using producer = ivshmem::topic_producer<topic_words<Writer>>;
    /// Made before Relacy runs, which has its own allocator.
    static inline const producer fresh{{}, place};
    static inline producer out{fresh};

    topic_section section;
    ivshmem::topic_consumer<topic_words<Reader>> in;
    std::uint64_t last = 0;
};

/// Four messages in a ring that holds two.
template <mutation Writer, mutation Reader>
struct overtake : two_ends<overtake<Writer, Reader>, Writer, Reader> {
    static constexpr std::uint64_t count = 4;

    void before() {
        two_ends<overtake<Writer, Reader>, Writer, Reader>::before();
        this->in.start_with_first();
    }
    void thread(unsigned index) {
        if (index == 0) {
            for (std::uint64_t i = 0; i < count; ++i)
                this->publish();
            return;
        }
        while (this->last != count)
            if (!this->read())
                rl::yield(1, RL_INFO);
    }
};

/// A reader that falls asleep while a message is published: it sees it, or it is rung.
template <mutation Writer, mutation Reader>
struct fall_asleep : two_ends<fall_asleep<Writer, Reader>, Writer, Reader> {
    void before() {
        two_ends<fall_asleep<Writer, Reader>, Writer, Reader>::before();
        this->in.start_with_first();
        rung = slept = false;
    }
    void thread(unsigned index) {
        if (index == 0) {
            this->publish();
            topic_words<Writer>::fence();
            rung = this->section.wanted.load(rl::mo_relaxed, RL_INFO) != 0;
            return;
        }
        if (this->read())
            return;
        this->section.wanted.store(1, rl::mo_release, RL_INFO);
        topic_words<Reader>::fence();
        slept = this->in.is_empty();
    }
    void after() { RL_ASSERT(rung || !slept); }

    bool rung = false;
    bool slept = false;
};

/// A reader that holds each message which it can hold, of a writer that has two cells for four.
template <mutation Writer, mutation Reader>
struct hold : two_ends<hold<Writer, Reader>, Writer, Reader> {
    static constexpr std::uint64_t count = 4;

    void before() {
        two_ends<hold<Writer, Reader>, Writer, Reader>::before();
        this->in.start_with_first();
        cells = all_free;
    }
    void thread(unsigned index) {
        if (index == 0) {
            for (std::uint64_t i = 0; i < count; ++i)
                publish();
            return;
        }
        const topic_words<Reader> own;
        for (int i = 0; i < 2; ++i) {
            ivshmem::topic_record record;
            if (!this->in.next(record)) {
                rl::yield(1, RL_INFO);
                continue;
            }
            if (this->in.pin(own, pin_at, record)) {
                // It stays, whatever the writer does meanwhile.
                RL_ASSERT(own.load(record.payload) == bytes_of(record.number));
                RL_ASSERT(own.load(record.payload) == bytes_of(record.number));
            }
            own.publish(pin_at + layout::topic_pin::mark, 0);
        }
    }
    void publish() {
        auto& out = this->out;
        out.reserve(cells, [] {
            const topic_words<Writer> words;
            seen.mark = words.look(pin_at + layout::topic_pin::mark);
            seen.tag = words.load(pin_at + layout::topic_pin::tag);
            return std::span<const ivshmem::topic_pin_seen>{&seen, 1};
        });
        topic_words<Writer>{}.store(out.payload(), bytes_of(out.newest() + 1));
        out.publish(4, out.newest() + 1);
    }

    /// Both have the memory that they need before Relacy runs.
    static inline const ivshmem::topic_cells all_free{messages, grain, 1, key};
    static inline ivshmem::topic_cells cells{messages, grain, 1, key};
    static inline ivshmem::topic_pin_seen seen;
};

} // namespace
} // namespace test

int main() {
    using namespace test;
    using enum mutation;
    relacy_totals totals;
    // Random schedules only: there are too many others.
    run<overtake<none, none>>(totals, "a reader that is overtaken", true, 0);
    run<fall_asleep<none, none>>(totals, "a reader that sleeps", true);

    run<hold<none, none>>(totals, "a reader that holds messages", true, 0);

    run<hold<no_fence, none>>(totals, "no fence before the pins are read", false, 0);
    run<hold<none, no_fence>>(totals, "no fence after a pin was published", false, 0);
    run<overtake<relaxed_publish, none>>(totals, "a mark published relaxed", false, 0);
    run<overtake<none, relaxed_look>>(totals, "a mark looked at relaxed", false, 0);
    run<overtake<no_fence, none>>(totals, "no fence before a message is overwritten", false, 0);
    run<overtake<none, no_fence>>(totals, "no fence after a message was read", false, 0);
    run<fall_asleep<no_fence, none>>(totals, "no fence where the reader is woken", false);
    run<fall_asleep<none, no_fence>>(totals, "no fence before sleeping", false);
    return totals.report();
}
