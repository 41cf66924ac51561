// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "conformance/report.hpp"

#include "command.hpp"
#include "common/print.hpp"
#include "conformance/other_side.hpp"
#include "open_device.hpp"
#include "result_line.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace ivshmemctl::conformance {
namespace {

namespace json = boost::json;

constexpr const char* holds = "holds";
constexpr const char* is_broken = "broken";
constexpr const char* unseen = "not shown";

/// If a peer has not answered so often, one time after the other, no more is asked.
constexpr unsigned most_silences = 2;

} // namespace

struct report::impl {
    const common_options& common;
    std::vector<std::string> only;
    json::array rules{};
    json::object facts{};
    unsigned hold = 0, broken = 0, not_seen = 0;
    unsigned silences = 0; ///< in a row
    std::string current{}, no_more{};

    void put(const rule& of, const char* verdict, const std::string& seen,
             const std::string& expected, const std::string& why) {
        if (!common.json) {
            auto line = tools::format("{:<4} {:<9}  {}", of.number, verdict, of.text);
            if (verdict == is_broken)
                line += tools::format("; seen: {}; expected: {}", seen, expected);
            if (verdict == unseen)
                line += "; " + why;
            return put_line(line);
        }
        json::object entry{{"number", of.number}, {"rule", of.text}, {"verdict", verdict}};
        if (verdict == is_broken) {
            entry["seen"] = seen;
            entry["expected"] = expected;
        }
        if (verdict == unseen)
            entry["why"] = why;
        rules.push_back(std::move(entry));
    }
};

report::report(const common_options& common, std::vector<std::string> only)
    : impl_{new impl{common, std::move(only)}} {}
report::~report() = default;

bool report::knows(const std::string& number) {
    for (const auto rules :
         {header_rules(), directory_rules(), opening_rules(), ring_rules(), sleeping_rules(),
          fault_rules(), topic_rules(), claim_rules(), ending_rules(), claiming_rules()})
        for (const rule& r : rules)
            if (r.number == number)
                return r.check != nullptr;
    return false;
}

void report::begin(const other_side& side) {
    impl_->facts = {
        {"peer", side.peer_id()}, {"slot", side.peer_slot()}, {"service", side.how().service}};
    if (!impl_->common.quiet)
        complain(tools::format("{}: checking peer {} in slot {}, service '{}'",
                               name_of(side.device()), side.peer_id(), side.peer_slot(),
                               side.how().service));
}

bool report::check(other_side& side, std::span<const rule> rules, bool (*answers)(other_side&)) {
    bool all = true;
    for (const rule& r : rules) {
        auto& i = *impl_;
        // The header decides whether there is anything to play with.
        const bool asked =
            i.only.empty() || std::find(i.only.begin(), i.only.end(), r.number) != i.only.end();
        if (!asked && answers != nullptr)
            continue;
        i.current = r.number;
        side.start_rule();
        try {
            if (!i.no_more.empty() || r.check == nullptr)
                throw not_shown{r.check == nullptr ? r.why : i.no_more};
            r.check(side);
            i.silences = 0;
            if (asked) {
                ++i.hold;
                i.put(r, holds, {}, {}, {});
            }
        } catch (const not_shown& n) {
            if (asked) {
                ++i.not_seen;
                i.put(r, unseen, {}, {}, n.why);
            }
        } catch (const peer_left& left) {
            ++i.broken;
            i.put(r, is_broken, "the peer has left: " + left.how, "the peer stays", {});
            throw;
        } catch (const conformance::broken& b) {
            ++i.broken;
            all = false;
            i.put(r, is_broken, b.seen, b.expected, {});
            if (answers == nullptr)
                continue;
            i.silences = answers(side) ? 0 : i.silences + 1;
            if (i.silences == most_silences)
                i.no_more = "the peer does not answer any more";
        }
    }
    return all;
}

void report::give_up(const std::string& why) {
    impl_->no_more = why;
}

void report::end(bool complete) {
    auto& i = *impl_;
    if (!i.common.json)
        return put_line(tools::format("{} hold, {} broken, {} not shown{}", i.hold, i.broken,
                                      i.not_seen, complete ? "" : "; not complete"));
    i.facts["rules"] = std::move(i.rules);
    i.facts["hold"] = i.hold;
    i.facts["broken"] = i.broken;
    i.facts["not_shown"] = i.not_seen;
    i.facts["complete"] = complete;
    put_line(json::serialize(i.facts));
}

unsigned report::broken() const {
    return impl_->broken;
}

const std::string& report::current() const {
    return impl_->current;
}

} // namespace ivshmemctl::conformance
