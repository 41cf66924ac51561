// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "outward.hpp"
#include "outward_source.hpp"

#include <ivshmem/error.hpp>

#include <boost/system/error_code.hpp>

#include <tuple>

namespace ivshmem_gateway {
namespace {

namespace net = boost::asio;
using clock = std::chrono::steady_clock;
using connections::with_error;
using ivshmem::formatted;

/// A topic that may not pass is looked at no more often.
constexpr std::chrono::milliseconds between_tries{100};
/// After a writer broke the rules, before its topic is tried again.
constexpr std::chrono::seconds after_fault{5};

} // namespace

net::awaitable<void> outward::read(source_ptr of) {
    // Not "while (!stopped_ && co_await next(of))": as g++ 12 compiles that, the program crashes.
    while (!stopped_) {
        const bool more = co_await next(of);
        if (!more)
            break;
        pass(*of);
    }
    detach(*of);
    of->reader.close();
    if (!stopped_) {
        sources_.erase(of->name);
        look_soon(); // there may be another writer
    }
}

/// Waits for a message that may be passed on. @return False: there will be none.
net::awaitable<bool> outward::next(source_ptr from) {
    source& of = *from;
    const bool waits = of.by->qos != 0 || of.by->retain;
    while (!stopped_) {
        if (waits)
            co_await uses_.to.wait_for_room();
        boost::system::error_code ec;
        co_await read_once(of, ec);
        const std::error_code why = ec;
        if (stopped_)
            break;
        if (why == ivshmem::errc::message_too_large) {
            const auto slot = of.reader.next_layer().writer_slot().value_or(0);
            uses_.each_slot.count(slot, refusal::size);
            report_refusals();
            co_await wait_for_rate(of, slot, 0);
            continue;
        }
        if (why == ivshmem::errc::topic_closed || why == ivshmem::errc::peer_lost ||
            why == ivshmem::errc::topic_poisoned) {
            const bool reopened = co_await reopen(of, why);
            if (!reopened)
                break;
            continue;
        }
        if (why)
            break;
        const auto slot = of.reader.next_layer().writer_slot().value_or(0);
        if (of.session != of.message.session ||
            (of.has_no_place && uses_.each_slot.has_topic(slot))) {
            of.session = of.message.session;
            attach(of);
        }
        if (!of.to) {
            co_await of.wait_until(clock::now() + between_tries);
            continue;
        }
        co_await wait_for_rate(of, slot, of.bytes.size());
        if (waits && !stopped_)
            co_await uses_.to.wait_for_room();
        co_return !stopped_;
    }
    co_return false;
}

net::awaitable<void> outward::read_once(source& of, boost::system::error_code& ec) {
    if (of.by->retain || of.is_refused())
        std::tie(ec, of.message) = co_await of.reader.async_latest(of.bytes, with_error);
    else
        std::tie(ec, of.message) = co_await of.reader.async_read(of.bytes, with_error);
}

/// The topic is over. @return Whether there may be another one for this reader.
net::awaitable<bool> outward::reopen(source& of, std::error_code why) {
    detach(of);
    if (why == ivshmem::errc::topic_poisoned) {
        uses_.lines.count(of.name + ": its writer broke the rules of topics; it is read again "
                                    "later");
        co_await of.wait_until(clock::now() + after_fault);
    }
    if (of.found_in)
        co_return false;
    co_await of.wait_until(of.reopened + between_looks); // at once if that has passed
    if (stopped_)
        co_return false;
    of.reopened = clock::now();
    std::error_code failed;
    of.reader.reopen(failed);
    co_return !failed;
}

/// Takes a message of this size from the rate of the slot, when that lets it pass.
net::awaitable<void> outward::wait_for_rate(source& of, std::uint32_t slot, std::size_t bytes) {
    auto& each = uses_.each_slot;
    while (!stopped_ && !each.take_message(slot, bytes, clock::now())) {
        report_refusals();
        co_await of.wait_until(each.passes_at(slot, bytes, clock::now()));
    }
}

/// The reader has found a writer: decides whether its messages may pass.
void outward::attach(source& to) {
    const auto slot = to.reader.next_layer().writer_slot();
    to.to = {};
    to.has_no_place = false;
    if (!slot || to.reader.next_layer().relayed())
        return;
    const auto mapped = map_out(uses_.rules, to.name, *slot);
    if (!mapped)
        return;
    if (!uses_.each_slot.take_topic(*slot)) {
        to.has_no_place = true;
        return report_refusals();
    }
    to.slot = slot;
    to.to = mapped;
    to.by = mapped.by;
}

void outward::detach(source& from) {
    if (from.slot)
        uses_.each_slot.release_topic(*from.slot);
    from.slot.reset();
    from.session.reset();
    from.has_no_place = false;
}

void outward::pass(source& of) {
    const std::uint32_t slot = of.slot.value_or(0);
    const auto& m = of.message;
    if (m.skipped != 0 && !of.by->retain) // else the newest one counts
        uses_.lines.count(of.name + ": messages skipped: its writer overwrote them before there "
                                    "was room for them in the queue, or time",
                          m.skipped);
    if (of.by->retain && !uses_.each_slot.take_retained(slot, of.to.name))
        return report_refusals();
    uses_.to.publish({
        .topic = of.to.name,
        .payload = of.bytes,
        .qos = of.by->qos,
        .retain = of.by->retain,
        .slot = slot,
        .origin = formatted("{}/{}", uses_.origin, slot),
        .sequence = m.sequence,
        .skipped = m.skipped,
        .time = m.time.time_since_epoch(),
    });
}

} // namespace ivshmem_gateway
