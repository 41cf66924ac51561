// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "channel/name_bytes.hpp"
#include "channel/shared_words.hpp"
#include "channel/slot_impl.hpp"
#include "channel/topic_consumer.hpp"
#include "channel/topic_pin_place.hpp"
#include "channel/topic_search.hpp"

#include <ivshmem/topic_reader.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace ivshmem {

/// The reader of a topic, while it is open.
class topic_reader::impl {
  public:
    enum class which { next, newest };

    impl(std::shared_ptr<slot::impl> in, const name_bytes& name,
         const topic_reader_options& options)
        : slot_{std::move(in)}, options_{options}, search_{name, slot_->geometry().slots},
          polling_{options.polling || slot_->interrupts() == 0} {
        search();
    }
    impl(const impl&) = delete;
    impl& operator=(const impl&) = delete;
    ~impl() { disarm(); }

    static std::unique_ptr<impl> open(const slot& in, std::string_view name,
                                      const topic_reader_options& options, failure& f) {
        return in_usable(in.impl_.get(), f, [&](slot::impl& own) -> std::unique_ptr<impl> {
            const name_bytes bytes = checked_name(name, f);
            if (!f && !own.topics().area().exists())
                f.set(errc::topics_unsupported, "{}: {}", name,
                      make_error_code(errc::topics_unsupported).message());
            if (!f && options.pins > layout::topics::pins_per_row)
                f.set(std::make_error_code(std::errc::invalid_argument),
                      formatted("{}: a reader that pins {} messages: at most {} "
                                "(topic_reader_options::pins)",
                                name, options.pins, layout::topics::pins_per_row));
            return f ? nullptr : std::make_unique<impl>(in.impl_, bytes, options);
        });
    }

    [[nodiscard]] topic_state state() const noexcept { return state_; }
    [[nodiscard]] std::optional<std::uint32_t> writer_slot() const noexcept {
        return found_ ? std::optional{found_->topic.slot} : std::nullopt;
    }
    [[nodiscard]] bool relayed() const noexcept { return found_ && found_->topic.relayed; }
    [[nodiscard]] std::uint64_t skipped() const noexcept { return skipped_; }

    topic_state reopen(failure& f) {
        if (is_usable(f) && state_ != topic_state::searching && state_ != topic_state::attached) {
            state_ = topic_state::searching;
            search();
        }
        return state_;
    }
    topic_state update(failure& f) {
        if (is_usable(f) && (!slot_->answer_claims() || !slot_->check_directory()))
            static_cast<void>(is_usable(f));
        else if (!f)
            search();
        return state_;
    }

    std::optional<topic_message> view(which of, failure& f) {
        topic_record record;
        if (!fetch(of, record, f))
            return std::nullopt;
        return delivered(record, section().bytes(record.payload, record.length));
    }
    std::optional<topic_message> read(which of, std::vector<std::byte>& into, failure& f) {
        topic_record record;
        for (int attempt = 0; attempt < copies && fetch(of, record, f); ++attempt) {
            if (record.length > options_.max_message) {
                consumer_.lose(record);
                f.set(errc::message_too_large,
                      "topic of slot {}: a message of {} bytes, and max_message is {}",
                      found_->topic.slot, record.length, options_.max_message);
                return std::nullopt;
            }
            try {
                into.resize(record.length);
            } catch (...) {
                consumer_.lose(record);
                throw;
            }
            section().read(record.payload, into);
            if (consumer_.is_intact(record))
                return delivered(record, into);
            consumer_.lose(record);
        }
        return std::nullopt;
    }
    [[nodiscard]] bool still_valid(const topic_message& message) const {
        topic_record record;
        record.number = message.sequence;
        return message.session == session_ && session_ != 0 && consumer_.is_intact(record);
    }

    std::shared_ptr<topic_pin_place> pin(const topic_message& message, failure& f) {
        const auto failed = [&](errc why) {
            f.set(why, "pinning message {}: {}", message.sequence, make_error_code(why).message());
            return nullptr;
        };
        if (!is_held(f))
            return nullptr;
        if (!still_valid(message))
            return failed(errc::message_overwritten);
        ask_for_pins();
        if (pins_.empty() || topic_pin_place::find_grant(*slot_, found_->topic) == 0)
            return failed(errc::pin_refused);
        const auto unused = std::find_if(pins_.begin(), pins_.end(),
                                         [](const auto& each) { return !each->holds_message(); });
        if (unused == pins_.end())
            return failed(errc::pins_in_use);
        topic_record record;
        record.number = message.sequence;
        if (!(*unused)->hold(consumer_, record))
            return failed(errc::message_overwritten);
        return *unused;
    }

    [[nodiscard]] bool arm() {
        failure f;
        if (!is_held(f))
            return false;
        search();
        if (state_ == topic_state::searching)
            return true; // a new topic comes with a ring for everyone
        if (state_ != topic_state::attached)
            return false;
        if (!polling_) {
            disarm();
            slot_->topics().ask(*slot_, found_->topic);
            armed_ = true;
        }
        if (consumer_.is_empty() && why_over() == topic_state::attached)
            return true;
        disarm();
        return false;
    }
    void disarm() noexcept {
        if (std::exchange(armed_, false))
            slot_->topics().withdraw(*slot_, found_->topic);
    }

  private:
    /// How many messages that are overwritten while they are copied read() skips: its work must
    /// end.
    static constexpr int copies = 4;

    bool is_usable(failure& f) const {
        return in_usable(slot_.get(), f, [](const slot::impl&) { return true; });
    }
    /// As is_usable(), before something is written.
    bool is_held(failure& f) const {
        return in_held(slot_.get(), f, [](const slot::impl&) { return true; });
    }
    [[nodiscard]] shared_words section() const { return slot_->header(found_->topic.slot); }

    void search() {
        if (state_ != topic_state::searching)
            return;
        const auto found = search_.look(*slot_);
        if (!found)
            return;
        state_ = topic_state::attached;
        // After a writer that only did not run, goes on where it was.
        const bool again = found_ && found_->topic.slot == found->topic.slot &&
                           found_->topic.key == found->topic.key && found_->place == found->place &&
                           !consumer_.is_broken();
        found_ = found;
        if (again)
            return;
        ++session_;
        pins_.clear();
        ask_for_pins();
        consumer_ = {section(), found->place, found->topic.key};
        if (found->is_new)
            consumer_.start_with_first();
        else
            static_cast<void>(start());
    }
    /// Asks for as many pins as were wanted, unless it has them.
    void ask_for_pins() {
        const std::uint32_t allowed =
            options_.pins <= pins_.size()
                ? 0
                : section().load(found_->place.entry + layout::topic::pins);
        while (pins_.size() < options_.pins) {
            auto place = topic_pin_place::take(slot_, found_->topic, allowed);
            if (!place)
                break;
            pins_.push_back(std::move(place));
        }
    }
    bool start() { return consumer_.started() || consumer_.start_with_next(options_.history); }
    bool take(which of, topic_record& record) {
        return start() && (of == which::next ? consumer_.next(record) : consumer_.latest(record));
    }
    /// The state that follows from the words of the writer, except that it broke a rule.
    [[nodiscard]] topic_state why_over() const {
        const std::uint32_t slot = found_->topic.slot;
        const auto flags = section().look(found_->place.entry + layout::topic::flags);
        if ((flags & layout::topic_ended) != 0 || !consumer_.is_there() ||
            slot_->has_changed_hands(slot, found_->incarnation))
            return topic_state::ended;
        return slot_->is_lost(slot) ? topic_state::lost : topic_state::attached;
    }
    bool fetch(which of, topic_record& record, failure& f) {
        if (!is_usable(f))
            return false;
        search();
        if (state_ == topic_state::attached) {
            if (take(of, record))
                return true;
            const topic_state over = why_over();
            // What was published before that is still read.
            if (over != topic_state::attached && take(of, record) && consumer_.is_there())
                return true;
            if (consumer_.is_broken())
                end(consumer_.is_there() ? topic_state::poisoned : topic_state::ended);
            else if (over != topic_state::attached)
                end(over);
        }
        report(f);
        return false;
    }
    void end(topic_state how) {
        disarm();
        state_ = how;
        if (how == topic_state::ended)
            search_.forget(found_->topic);
    }
    void report(failure& f) const {
        const auto set = [&](errc why) {
            f.set(why, "topic of slot {}: {}", found_->topic.slot, make_error_code(why).message());
        };
        if (state_ == topic_state::ended)
            set(errc::topic_closed);
        else if (state_ == topic_state::lost)
            set(errc::peer_lost);
        else if (state_ == topic_state::poisoned)
            set(errc::topic_poisoned);
    }
    topic_message delivered(const topic_record& record, std::span<const std::byte> bytes) {
        skipped_ += record.skipped;
        return {record.number, record.skipped,
                topic_message::time_point{std::chrono::nanoseconds{
                    static_cast<std::chrono::nanoseconds::rep>(record.time)}},
                bytes, session_};
    }

    const std::shared_ptr<slot::impl> slot_;
    const topic_reader_options options_;
    topic_search search_;
    const bool polling_;
    topic_state state_ = topic_state::searching;
    std::optional<topic_search::result> found_; ///< the topic of the last attachment
    topic_consumer<shared_words> consumer_;
    std::vector<std::shared_ptr<topic_pin_place>> pins_;
    std::uint64_t skipped_ = 0;
    std::uint32_t session_ = 0; ///< the number of the attachment; 0: none
    bool armed_ = false;
};

} // namespace ivshmem
