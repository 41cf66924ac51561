// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers.hpp"

#include "alone.hpp"
#include "session.hpp"

#include <ivshmem/asio/any_interrupt.hpp>
#include <ivshmem/asio/device_events.hpp>
#include <ivshmem/shared_memory.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

#include <unistd.h>

namespace conformance {

namespace {

/// Every party goes through the same steps in the same order.
class walk {
  public:
    walk(ivshmem::device& dev, const options& o, session& s, report& r)
        : dev_{dev}, options_{o}, session_{s}, report_{r} {}

    void rings(bool asio) {
        for (unsigned from = 0; from < session_.parties(); ++from)
            for (unsigned to = 0; to < session_.parties(); ++to)
                if (from != to && session_.of(from).ring)
                    for (std::uint32_t v = 0; v < session_.of(to).interrupts; ++v)
                        ring_once(from, to, v, asio);
    }

    /// Each party changes its state, and the others get an event.
    void states() {
        constexpr std::uint32_t state_of_first = 0x300;
        for (unsigned from = 0; from < session_.parties(); ++from) {
            const std::uint64_t listens = ++step_;
            const std::uint64_t noticed = ++step_;
            if (session_.me() == from) {
                session_.reach(listens);
                session_.await_all(listens);
                dev_.set_state(state_of_first + from);
                session_.reach(noticed);
                session_.await_all(noticed);
                continue;
            }
            while (dev_.capabilities().state_events && dev_.next_event())
                ;
            session_.reach(listens);
            report_.check("state-event." + way(from, session_.me()),
                          [&] { notice(session_.of(from).id, state_of_first + from); });
            session_.reach(noticed);
            session_.await_all(noticed);
        }
    }

    void messages() {
        constexpr int rounds = 8;
        for (int round = 0; round < rounds; ++round) {
            send(round);
            session_.reach(++step_);
            session_.await_all(step_);
            for (unsigned from = 0; from < session_.parties(); ++from)
                if (from != session_.me())
                    report_.check("message." + way(from, session_.me()) + "." +
                                      std::to_string(round),
                                  [&] { receive(from, round); });
            session_.reach(++step_);
            session_.await_all(step_);
        }
    }

  private:
    static std::string way(unsigned from, unsigned to) {
        return std::to_string(from + 1) + "-" + std::to_string(to + 1);
    }

    /// Rings one party, which first announces that it listens, and later that it was rung.
    void ring_once(unsigned from, unsigned to, std::uint32_t vector, bool asio) {
        const std::uint64_t listens = ++step_;
        const std::uint64_t heard = ++step_;
        const auto ring = [&] {
            dev_.ring(session_.of(to).id, vector);
        };
        const std::string what = asio ? "ring-any." : "ring.";
        if (session_.me() == from) {
            session_.await(to, listens);
            ring();
            // Rings again until it was heard: a ring is a hint, and a hypervisor may learn of a
            // peer late.
            session_.await(to, heard, ring);
        } else if (session_.me() == to) {
            drain(dev_);
            session_.reach(listens);
            report_.check(what + way(from, to) + "." + std::to_string(vector),
                          [&] { asio ? hear_any(vector) : hear(vector); });
            session_.reach(heard);
        }
    }

    void hear(std::uint32_t vector) {
        expect(dev_.wait(vector, options_.timeout) >= 1, "no ring");
        for (std::uint32_t other = 0; other < dev_.capabilities().interrupts; ++other)
            expect(other == vector || dev_.take(other) == 0 || options_.crowded,
                   "vector " + std::to_string(other) + " fired too");
    }

    void hear_any(std::uint32_t vector) {
        boost::asio::io_context io;
        ivshmem::asio::any_interrupt any{io, dev_};
        ivshmem::interrupt_count rings;
        const auto listen = [&](const auto& again) -> void {
            any.async_wait([&](boost::system::error_code ec, ivshmem::interrupt_count got) {
                if (ec)
                    return;
                rings = got;
                if (options_.crowded && got.vector != vector)
                    again(again);
            });
        };
        listen(listen);
        io.run_for(options_.timeout);
        expect(rings.count >= 1, "no ring");
        expect(rings.vector == vector, "vector " + std::to_string(rings.vector) + " fired");
    }

    void notice(std::uint16_t peer, std::uint32_t state) {
        if (!dev_.capabilities().state_events) {
            const auto deadline = std::chrono::steady_clock::now() + options_.timeout;
            while (dev_.peer_state(peer) != state) {
                expect(std::chrono::steady_clock::now() < deadline, "the state did not change");
                ::usleep(1000);
            }
            return;
        }
        const ivshmem::event wanted{ivshmem::event::kind::state_changed, peer};
        boost::asio::io_context io;
        ivshmem::asio::device_events events{io, dev_};
        ivshmem::event got;
        const auto listen = [&](const auto& again) -> void {
            events.async_next([&](boost::system::error_code ec, ivshmem::event event) {
                if (ec)
                    return;
                got = event;
                if (options_.crowded && got != wanted)
                    again(again);
            });
        };
        listen(listen);
        io.run_for(options_.timeout);
        expect(got == wanted, "no event of the peer");
        expect(dev_.peer_state(peer) == state, "another state");
    }

    /// The words that `from` writes in a round. They differ for each party and each run.
    [[nodiscard]] std::vector<std::uint64_t> text(unsigned from, int round) const {
        constexpr std::size_t most_bytes = 65536;
        const std::size_t bytes = std::min(session_.section(from).size(), most_bytes);
        std::vector<std::uint64_t> words(bytes / 8);
        std::uint64_t state = session_.of(from).run + static_cast<std::uint64_t>(round);
        for (auto& word : words) { // Steele, Lea, Flood: SplitMix64
            std::uint64_t z = (state += 0x9e3779b97f4a7c15);
            z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
            word = z ^ (z >> 27U);
        }
        return words;
    }

    void send(int round) {
        const auto words = text(session_.me(), round);
        std::memcpy(session_.own_section().data(), words.data(), words.size() * 8);
        ivshmem::shared_memory::publish();
    }

    void receive(unsigned from, int round) {
        const auto wanted = text(from, round);
        std::vector<std::uint64_t> got(wanted.size());
        std::memcpy(got.data(), session_.section(from).data(), got.size() * 8);
        const auto differs = std::mismatch(got.begin(), got.end(), wanted.begin()).first;
        expect(differs == got.end(),
               "word " + std::to_string(differs - got.begin()) + " differs from the sent one");
    }

    ivshmem::device& dev_;
    const options& options_;
    session& session_;
    report& report_;
    std::uint64_t step_ = 0;
};

void check_ids(ivshmem::device& dev, const options& o, const session& s) {
    for (unsigned other = 0; other < s.parties(); ++other) {
        if (other == s.me())
            continue;
        const auto id = s.of(other).id;
        expect(!dev.capabilities().ring || !s.of(other).ring || id != dev.id(),
               "party " + std::to_string(other + 1) + " has the same id");
        const bool lowest = other == (s.me() == 0 ? 1U : 0U);
        expect(!o.peer || !lowest || *o.peer == id, "the peer's id is " + std::to_string(id));
        if (!dev.capabilities().peer_events)
            continue;
        const auto deadline = std::chrono::steady_clock::now() + o.timeout;
        const auto is_there = [&] {
            const auto ids = dev.peers();
            return std::find(ids.begin(), ids.end(), id) != ids.end();
        };
        while (!is_there()) {
            expect(std::chrono::steady_clock::now() < deadline,
                   "peer " + std::to_string(id) + " is not among peers()");
            ::usleep(1000);
        }
    }
}

} // namespace

void with_peers(ivshmem::device& dev, const options& o, report& r) {
    r.check("session", [&] {
        session s{dev, o};
        s.meet();
        r.check("session.ids", [&] { check_ids(dev, o, s); });
        walk steps{dev, o, s, r};
        steps.rings(false);
        steps.rings(true);
        if (dev.generation() == ivshmem::device_generation::v2)
            steps.states();
        steps.messages(); // ends with all parties at one step, so that none leaves early
    });
}

} // namespace conformance
