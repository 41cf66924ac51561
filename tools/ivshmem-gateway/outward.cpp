// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "outward.hpp"

#include "base/text.hpp"
#include "outward_source.hpp"

#include <ivshmem/asio/detail/hub.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>

#include <algorithm>
#include <exception>
#include <limits>
#include <set>
#include <string_view>
#include <system_error>

namespace ivshmem_gateway {
namespace {

namespace net = boost::asio;
using ivshmem::formatted;

/// As many topics of a slot are read at once as it can have.
constexpr std::ptrdiff_t most_topics = 16;

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

outward::outward(ivshmem::asio::slot& from, uses u)
    : slot_{from}, uses_{std::move(u)}, soon_{from.get_executor()} {}

outward::~outward() = default;

void outward::start() {
    for (const auto& r : uses_.rules)
        if (r.way == direction::out && !has_wildcard(r))
            open(r.pattern, r, r.retain ? 1 : 0, std::nullopt);
    watch_ = std::make_unique<ring_watch>(*this, slot_);
    look();
    slot_.hub()->expect(); // looks again at the recheck periods
}

void outward::stop() {
    stopped_ = true;
    watch_.reset();
    soon_.cancel();
    for (const auto& [name, each] : sources_) {
        each->reader.close();
        each->pause.cancel();
    }
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
    close_missing(topics);
    for (const auto& each : topics) {
        if (each.slot == slot_.number() || each.relayed || each.ended || each.lost ||
            sources_.contains(each.name))
            continue;
        if (const auto at = over_.find({each.slot, each.number});
            at != over_.end() && at->second == each.key)
            continue;
        const auto to = map_out(uses_.rules, each.name, each.slot);
        if (to) {
            if (may_open(each))
                open(each.name, *to.by,
                     !first_look_    ? all_messages
                     : to.by->retain ? 1
                                     : 0,
                     each.slot);
        } else if (to.by != nullptr) {
            over_[{each.slot, each.number}] = each.key;
            uses_.each_slot.count(each.slot, refusal::name);
            report_refusals();
        }
    }
    first_look_ = false;
}

/// Closes the readers of topics that ended before they were read. Otherwise a peer that changes the
/// names of its topics would leave more and more of them.
void outward::close_missing(const std::vector<ivshmem::topic_info>& topics) {
    std::set<std::string_view> there;
    for (const auto& each : topics)
        if (!each.ended && !each.lost)
            there.insert(each.name);
    for (const auto& [name, each] : sources_)
        if (each->found_in && !there.contains(name) && each->reader.is_open() &&
            each->reader.next_layer().state() == ivshmem::topic_state::searching)
            each->reader.close();
}

/// Whether the slot has few enough topics that are read, or end.
bool outward::may_open(const ivshmem::topic_info& topic) const {
    return std::count_if(sources_.begin(), sources_.end(), [&](const auto& each) {
               return each.second->found_in == topic.slot;
           }) < most_topics;
}

void outward::open(const std::string& name, const rule& by, std::uint64_t history,
                   std::optional<std::uint32_t> found_in) {
    ivshmem::topic_reader_options options;
    options.history = history;
    options.max_message = uses_.max_message;
    auto made = std::make_shared<source>(source{
        .name = name,
        .by = &by,
        .found_in = found_in,
        .reader = ivshmem::asio::topic_reader{slot_, name, options},
        .pause = net::steady_timer{slot_.get_executor()},
    });
    sources_[name] = made;
    net::co_spawn(slot_.get_executor(), read(made),
                  [self = shared_from_this()](const std::exception_ptr& failed) {
                      if (failed)
                          std::rethrow_exception(failed);
                  });
}

void outward::report_refusals() {
    uses_.each_slot.report_new([&](std::uint32_t slot, refusal why, std::uint64_t times) {
        uses_.lines.count(formatted("slot {}: {}", slot, words_for(why)), times);
    });
}

} // namespace ivshmem_gateway
