// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/twins.hpp"
#include "channel/in_open_topic.hpp"
#include "channel/slot_impl.hpp"
#include "channel/topic_cells.hpp"
#include "channel/topic_grants.hpp"
#include "channel/topic_producer.hpp"

#include <ivshmem/topic_writer.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

namespace ivshmem {

/// The writer of a topic, while it is open.
class topic_writer::impl {
  public:
    impl(std::shared_ptr<slot::impl> in, const slot_topics::own_topic& made)
        : slot_{std::move(in)}, topic_{made}, producer_{slot_->header(slot_->number()),
                                                        made.place} {
        if (made.pinning_readers == 0)
            return;
        cells_.emplace(static_cast<std::uint32_t>(made.place.size / made.longest), made.longest,
                       made.pins_each, made.key);
        grants_.emplace(made);
    }
    impl(const impl&) = delete;
    impl& operator=(const impl&) = delete;
    ~impl() { slot_->topics().end(*slot_, topic_); }

    static std::unique_ptr<impl> create(const slot& in, std::string_view name,
                                        const topic_options& options, failure& f) {
        std::unique_ptr<impl> made;
        in_held(in.impl_.get(), f, [&](slot::impl& own) {
            const auto prepare = [&](const slot_topics::own_topic& of) {
                made = std::make_unique<impl>(in.impl_, of);
            };
            own.topics().create(own, name, options, prepare, f);
            return true;
        });
        return f ? nullptr : std::move(made);
    }

    [[nodiscard]] std::size_t max_message() const noexcept { return topic_.longest; }
    [[nodiscard]] std::uint64_t sequence() const noexcept { return producer_.newest(); }
    [[nodiscard]] std::uint64_t rings() const noexcept { return rings_; }

    std::span<std::byte> loan(std::size_t size, failure& f) {
        lent_.reset();
        return in_held(slot_.get(), f, [&](slot::impl& in) -> std::span<std::byte> {
            if (size > max_message()) {
                f.set(errc::message_too_large,
                      "a message of {} bytes: the topic takes {} at most (topic_options::size, "
                      "max_message)",
                      size, max_message());
                return {};
            }
            reserve(in, static_cast<std::uint32_t>(size));
            lent_ = static_cast<std::uint32_t>(size);
            return in.header(in.number()).bytes(producer_.payload(), size);
        });
    }
    bool publish(failure& f) {
        if (!lent_) {
            f.set(errc::not_connected, "publishing: nothing is on loan; call loan() first");
            return false;
        }
        return in_held(slot_.get(), f, [&](slot::impl& in) {
            const auto now = std::chrono::system_clock::now().time_since_epoch();
            producer_.publish(*std::exchange(lent_, std::nullopt),
                              static_cast<std::uint64_t>(std::chrono::nanoseconds{now}.count()));
            rings_ += in.topics().wake_readers(in, topic_.number);
            return true;
        });
    }
    bool publish(std::span<const std::byte> message, failure& f) {
        const auto to = loan(message.size(), f);
        if (!f && !message.empty())
            std::memmove(to.data(), message.data(), message.size()); // a part of a loan, too
        return !f && publish(f);
    }

  private:
    void reserve(const slot::impl& in, std::uint32_t size) {
        if (!cells_)
            return producer_.reserve(size);
        grants_->update(in, producer_.newest());
        producer_.reserve(*cells_, [&] { return grants_->pins(in); });
    }

    const std::shared_ptr<slot::impl> slot_;
    const slot_topics::own_topic topic_;
    topic_producer<shared_words> producer_;
    std::optional<topic_cells> cells_; ///< of a topic with pins, as the next one
    std::optional<topic_grants> grants_;
    std::optional<std::uint32_t> lent_; ///< the size of the loan
    std::uint64_t rings_ = 0;
};

topic_writer::topic_writer() noexcept = default;
topic_writer::topic_writer(std::unique_ptr<impl> made) noexcept : impl_{std::move(made)} {}
topic_writer::topic_writer(topic_writer&& other) noexcept = default;
topic_writer& topic_writer::operator=(topic_writer&& other) noexcept = default;
topic_writer::~topic_writer() = default;

topic_writer topic_writer::create(const slot& in, std::string_view name,
                                  const topic_options& options) {
    return throwing([&](failure& f) { return topic_writer{impl::create(in, name, options, f)}; });
}

topic_writer topic_writer::create(const slot& in, std::string_view name,
                                  const topic_options& options, std::error_code& ec) {
    return reporting(ec,
                     [&](failure& f) { return topic_writer{impl::create(in, name, options, f)}; });
}

void topic_writer::close() noexcept {
    impl_.reset();
}

void topic_writer::publish(std::span<const std::byte> message) {
    throwing([&](failure& f) {
        in_open_topic(impl_.get(), f, [&](impl& open) { return open.publish(message, f); });
    });
}
void topic_writer::publish(std::span<const std::byte> message, std::error_code& ec) {
    reporting(ec, [&](failure& f) {
        in_open_topic(impl_.get(), f, [&](impl& open) { return open.publish(message, f); });
    });
}
std::span<std::byte> topic_writer::loan(std::size_t size) {
    return throwing([&](failure& f) {
        return in_open_topic(impl_.get(), f, [&](impl& open) { return open.loan(size, f); });
    });
}
std::span<std::byte> topic_writer::loan(std::size_t size, std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        return in_open_topic(impl_.get(), f, [&](impl& open) { return open.loan(size, f); });
    });
}
void topic_writer::publish() {
    throwing([&](failure& f) {
        in_open_topic(impl_.get(), f, [&](impl& open) { return open.publish(f); });
    });
}
void topic_writer::publish(std::error_code& ec) {
    reporting(ec, [&](failure& f) {
        in_open_topic(impl_.get(), f, [&](impl& open) { return open.publish(f); });
    });
}

std::size_t topic_writer::max_message() const noexcept {
    return impl_ ? impl_->max_message() : 0;
}
std::uint64_t topic_writer::sequence() const noexcept {
    return impl_ ? impl_->sequence() : 0;
}
std::uint64_t topic_writer::rings() const noexcept {
    return impl_ ? impl_->rings() : 0;
}

} // namespace ivshmem
