// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/twins.hpp"
#include "channel/in_open_topic.hpp"
#include "channel/topic_reader_impl.hpp"

#include <cstring>

namespace ivshmem {

topic_reader::topic_reader() noexcept = default;
topic_reader::topic_reader(std::unique_ptr<impl> opened) noexcept : impl_{std::move(opened)} {}
topic_reader::topic_reader(topic_reader&& other) noexcept = default;
topic_reader& topic_reader::operator=(topic_reader&& other) noexcept = default;
topic_reader::~topic_reader() = default;

topic_reader topic_reader::open(const slot& in, std::string_view name,
                                const topic_reader_options& options) {
    return throwing([&](failure& f) { return topic_reader{impl::open(in, name, options, f)}; });
}

topic_reader topic_reader::open(const slot& in, std::string_view name,
                                const topic_reader_options& options, std::error_code& ec) {
    return reporting(ec,
                     [&](failure& f) { return topic_reader{impl::open(in, name, options, f)}; });
}

void topic_reader::reopen() {
    throwing([&](failure& f) {
        return in_open_topic(impl_.get(), f, [&](impl& open) { return open.reopen(f); });
    });
}
void topic_reader::reopen(std::error_code& ec) {
    reporting(ec, [&](failure& f) {
        return in_open_topic(impl_.get(), f, [&](impl& open) { return open.reopen(f); });
    });
}
void topic_reader::close() noexcept {
    impl_.reset();
}

topic_state topic_reader::state() const noexcept {
    return impl_ ? impl_->state() : topic_state::closed;
}
std::optional<std::uint32_t> topic_reader::writer_slot() const noexcept {
    return impl_ ? impl_->writer_slot() : std::nullopt;
}
bool topic_reader::relayed() const noexcept {
    return impl_ && impl_->relayed();
}
std::uint64_t topic_reader::skipped() const noexcept {
    return impl_ ? impl_->skipped() : 0;
}

topic_state topic_reader::update() {
    return throwing([&](failure& f) {
        return in_open_topic(impl_.get(), f, [&](impl& open) { return open.update(f); });
    });
}
topic_state topic_reader::update(std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        return in_open_topic(impl_.get(), f, [&](impl& open) { return open.update(f); });
    });
}

std::optional<topic_message> topic_reader::try_view() {
    return throwing([&](failure& f) {
        return in_open_topic(impl_.get(), f,
                             [&](impl& open) { return open.view(impl::which::next, f); });
    });
}
std::optional<topic_message> topic_reader::try_view(std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        return in_open_topic(impl_.get(), f,
                             [&](impl& open) { return open.view(impl::which::next, f); });
    });
}
std::optional<topic_message> topic_reader::try_view_latest() {
    return throwing([&](failure& f) {
        return in_open_topic(impl_.get(), f,
                             [&](impl& open) { return open.view(impl::which::newest, f); });
    });
}
std::optional<topic_message> topic_reader::try_view_latest(std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        return in_open_topic(impl_.get(), f,
                             [&](impl& open) { return open.view(impl::which::newest, f); });
    });
}
bool topic_reader::still_valid(const topic_message& message) const {
    return impl_ && impl_->still_valid(message);
}
bool topic_reader::copy_out(const topic_message& message, std::span<std::byte> into) const {
    if (!impl_ || into.size() > message.bytes.size())
        return false;
    if (!into.empty())
        std::memcpy(into.data(), message.bytes.data(), into.size());
    return impl_->still_valid(message);
}
topic_pin topic_reader::pin(const topic_message& message) {
    topic_pin pinned;
    pinned.place_ = throwing([&](failure& f) {
        return in_open_topic(impl_.get(), f, [&](impl& open) { return open.pin(message, f); });
    });
    pinned.message_ = message;
    return pinned;
}
topic_pin topic_reader::pin(const topic_message& message, std::error_code& ec) {
    topic_pin pinned;
    pinned.place_ = reporting(ec, [&](failure& f) {
        return in_open_topic(impl_.get(), f, [&](impl& open) { return open.pin(message, f); });
    });
    if (!ec)
        pinned.message_ = message;
    return pinned;
}
std::optional<topic_message> topic_reader::try_read(std::vector<std::byte>& into) {
    return throwing([&](failure& f) {
        return in_open_topic(impl_.get(), f,
                             [&](impl& open) { return open.read(impl::which::next, into, f); });
    });
}
std::optional<topic_message> topic_reader::try_read(std::vector<std::byte>& into,
                                                    std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        return in_open_topic(impl_.get(), f,
                             [&](impl& open) { return open.read(impl::which::next, into, f); });
    });
}
std::optional<topic_message> topic_reader::try_read_latest(std::vector<std::byte>& into) {
    return throwing([&](failure& f) {
        return in_open_topic(impl_.get(), f,
                             [&](impl& open) { return open.read(impl::which::newest, into, f); });
    });
}
std::optional<topic_message> topic_reader::try_read_latest(std::vector<std::byte>& into,
                                                           std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        return in_open_topic(impl_.get(), f,
                             [&](impl& open) { return open.read(impl::which::newest, into, f); });
    });
}

bool topic_reader::arm() {
    return impl_ && impl_->arm();
}
void topic_reader::disarm() noexcept {
    if (impl_)
        impl_->disarm();
}

} // namespace ivshmem
