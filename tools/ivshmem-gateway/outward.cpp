// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "outward.hpp"

#include "base/text.hpp"
#include "connections/with_error.hpp"

#include <ivshmem/asio/detail/hub.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>

#include <algorithm>
#include <exception>
#include <limits>
#include <system_error>
#include <tuple>

namespace ivshmem_gateway {
namespace {

namespace net = boost::asio;
using connections::with_error;
using ivshmem::formatted;

/// The topics are listed no more often, however often peers ring.
constexpr std::chrono::milliseconds between_looks{20};
/// After a writer broke the rules, before its topic is tried again.
constexpr std::chrono::seconds after_fault{5};

constexpr auto all_messages = std::numeric_limits<std::uint64_t>::max();

bool has_wildcard(const rule& r) {
    return r.pattern.ends_with('*');
}

} // namespace

/// Notices each ring, because a topic may be new.
class outward::ring_watch : public ivshmem::asio::detail::hub_member {
  public:
    ring_watch(outward& of, ivshmem::asio::slot& in) : of_{of}, membership_{*in.hub(), *this} {}

    bool look() override {
        of_.look_soon();
        return false;
    }
    [[nodiscard]] bool waiting() const override { return true; }
    void fail(const boost::system::error_code&) override {}

  private:
    outward& of_;
    ivshmem::asio::detail::hub_membership<ivshmem::asio::slot::executor_type> membership_;
};

/// A topic, or a name, that is read.
struct outward::source {
    std::string name;
    const rule* by = nullptr;
    bool named = false; ///< the rule names it: its next writer is waited for
    ivshmem::asio::topic_reader reader;
    std::vector<std::byte> bytes{};
    ivshmem::topic_message message{};
    std::optional<std::uint32_t> session{};
    std::optional<std::uint32_t> slot{}; ///< whose limit of topics counts it
    mapping to{};
};

outward::outward(ivshmem::asio::slot& from, uses u)
    : slot_{from}, uses_{std::move(u)}, soon_{from.get_executor()} {}

outward::~outward() = default;

void outward::start() {
    for (const auto& r : uses_.rules)
        if (r.way == direction::out && !has_wildcard(r))
            open(r.pattern, r, r.retain ? 1 : 0, true);
    watch_ = std::make_unique<ring_watch>(*this, slot_);
    look();
    slot_.hub()->expect(); // looks again at the recheck periods
}

void outward::stop() {
    stopped_ = true;
    watch_.reset();
    soon_.cancel();
    for (const auto& [name, each] : sources_)
        each->reader.close();
}

void outward::look_soon() {
    if (stopped_ || std::exchange(looking_, true))
        return;
    soon_.expires_at(std::max(looked_ + between_looks, std::chrono::steady_clock::now()));
    soon_.async_wait([self = weak_from_this()](const boost::system::error_code& ec) {
        if (const auto all = self.lock(); all && !ec && !all->stopped_)
            all->look();
    });
}

/// Opens the topics that are new.
void outward::look() {
    looking_ = false;
    looked_ = std::chrono::steady_clock::now();
    std::error_code ec;
    const auto topics = ivshmem::find_topics(slot_.next_layer(), ec);
    if (ec) // the slot is lost, or there are no topics in this region
        return;
    for (const auto& each : topics) {
        if (each.slot == slot_.number() || each.relayed || each.ended || each.lost ||
            sources_.contains(each.name))
            continue;
        if (const auto at = over_.find({each.slot, each.number});
            at != over_.end() && at->second == each.key)
            continue;
        const auto to = map_out(uses_.rules, each.name, each.slot);
        if (to) {
            open(each.name, *to.by, !first_look_ ? all_messages : to.by->retain ? 1 : 0, false);
        } else if (to.by != nullptr) {
            over_[{each.slot, each.number}] = each.key;
            uses_.each_slot.count(each.slot, refusal::name);
            report_refusals();
        }
    }
    first_look_ = false;
}

void outward::open(const std::string& name, const rule& by, std::uint64_t history, bool named) {
    ivshmem::topic_reader_options options;
    options.history = history;
    options.max_message = uses_.max_message;
    auto made = std::make_shared<source>(source{
        .name = name,
        .by = &by,
        .named = named,
        .reader = ivshmem::asio::topic_reader{slot_, name, options},
    });
    sources_[name] = made;
    net::co_spawn(slot_.get_executor(), read(made),
                  [self = shared_from_this()](const std::exception_ptr& failed) {
                      if (failed)
                          std::rethrow_exception(failed);
                  });
}

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
        ivshmem::topic_message message{};
        if (of.by->retain)
            std::tie(ec, message) = co_await of.reader.async_latest(of.bytes, with_error);
        else
            std::tie(ec, message) = co_await of.reader.async_read(of.bytes, with_error);
        const std::error_code why = ec;
        if (stopped_)
            break;
        if (why == ivshmem::errc::message_too_large) {
            uses_.each_slot.count(of.reader.next_layer().writer_slot().value_or(0), refusal::size);
            report_refusals();
            continue;
        }
        if (why == ivshmem::errc::topic_closed || why == ivshmem::errc::peer_lost ||
            why == ivshmem::errc::topic_poisoned) {
            detach(of);
            if (why == ivshmem::errc::topic_poisoned) {
                uses_.lines.count(of.name + ": its writer broke the rules of topics; it is read "
                                            "again later");
                net::steady_timer pause{slot_.get_executor(), after_fault};
                co_await pause.async_wait(with_error);
            }
            if (stopped_ || !of.named)
                break;
            std::error_code failed;
            of.reader.reopen(failed);
            if (failed)
                break;
            continue;
        }
        if (why)
            break;
        of.message = message;
        if (of.session != message.session) {
            of.session = message.session;
            attach(of);
        }
        if (!of.to)
            continue;
        if (waits)
            co_await uses_.to.wait_for_room();
        co_return !stopped_;
    }
    co_return false;
}

/// The reader has found a writer: decides whether its messages may pass.
void outward::attach(source& to) {
    detach(to);
    const auto slot = to.reader.next_layer().writer_slot();
    to.to = {};
    if (!slot || to.reader.next_layer().relayed())
        return;
    const auto mapped = map_out(uses_.rules, to.name, *slot);
    if (!mapped || !uses_.each_slot.take_topic(*slot))
        return report_refusals();
    to.slot = slot;
    to.to = mapped;
    to.by = mapped.by;
}

void outward::detach(source& from) {
    if (from.slot)
        uses_.each_slot.release_topic(*from.slot);
    from.slot.reset();
    from.session.reset();
}

void outward::pass(source& of) {
    const std::uint32_t slot = of.slot.value_or(0);
    const auto& m = of.message;
    if (m.skipped != 0 && !of.by->retain) // else the newest one counts
        uses_.lines.count(of.name + ": messages skipped: its writer overwrote them before there "
                                    "was room for them in the queue, or time",
                          m.skipped);
    if (!uses_.each_slot.take_message(slot, of.bytes.size(), limits::clock::now()) ||
        (of.by->retain && !uses_.each_slot.take_retained(slot, of.to.name)))
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

void outward::report_refusals() {
    uses_.each_slot.report_new([&](std::uint32_t slot, refusal why, std::uint64_t times) {
        uses_.lines.count(formatted("slot {}: {}", slot, words_for(why)), times);
    });
}

} // namespace ivshmem_gateway
