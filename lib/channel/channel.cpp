// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "channel/channel_impl.hpp"

namespace ivshmem {

namespace {

[[noreturn]] void raise(std::error_code ec, std::uint32_t to, std::uint32_t lane) {
    throw error{ec, formatted("channel to slot {}, lane {}: {}", to, lane, ec.message())};
}

/// Calls a function that takes an error_code, and throws the error that it stores there.
template <typename Call>
auto throwing(const channel& of, Call call) {
    std::error_code ec;
    if constexpr (std::is_void_v<decltype(call(ec))>) {
        call(ec);
        if (ec)
            raise(ec, of.peer_slot(), of.lane());
    } else {
        auto result = call(ec);
        if (ec)
            raise(ec, of.peer_slot(), of.lane());
        return result;
    }
}

} // namespace

channel::channel() noexcept = default;
channel::channel(std::unique_ptr<impl> opened) noexcept : impl_{std::move(opened)} {}
channel::channel(channel&& other) noexcept = default;
channel& channel::operator=(channel&& other) noexcept = default;
channel::~channel() = default;

channel channel::open(const slot& from, std::uint32_t to, std::uint32_t lane,
                      const channel_options& options) {
    std::error_code ec;
    channel opened = open(from, to, lane, options, ec);
    if (ec)
        raise(ec, to, lane);
    return opened;
}

channel channel::open(const slot& from, std::uint32_t to, std::uint32_t lane,
                      const channel_options& options, std::error_code& ec) {
    return channel{impl::open(from.impl_, to, lane, options, ec)};
}

void channel::reopen() {
    throwing(*this, [this](std::error_code& ec) { reopen(ec); });
}
void channel::reopen(std::error_code& ec) {
    if (impl_)
        impl_->reopen(ec);
    else
        ec = errc::closed;
}

void channel::finish() noexcept {
    if (impl_)
        impl_->finish();
}
void channel::close() noexcept {
    if (impl_)
        impl_->close();
}

bool channel::is_open() const noexcept {
    return impl_ && impl_->is_open();
}
channel_state channel::state() const noexcept {
    return impl_ ? impl_->state() : channel_state::closed;
}
std::uint32_t channel::peer_slot() const noexcept {
    return impl_ ? impl_->peer_slot() : 0;
}
std::uint32_t channel::lane() const noexcept {
    return impl_ ? impl_->lane() : 0;
}
std::uint32_t channel::peer_incarnation() const noexcept {
    return impl_ ? impl_->peer_incarnation() : 0;
}
std::uint32_t channel::peer_max_message() const noexcept {
    return impl_ ? impl_->peer_limit() : 0;
}
std::uint32_t channel::max_whole_message() const noexcept {
    return impl_ && impl_->is_open() ? impl_->longest_record() : 0;
}
layout_violation channel::violation() const noexcept {
    return impl_ ? impl_->violation() : layout_violation::none;
}
bool channel::is_polling() const noexcept {
    return impl_ && impl_->is_polling();
}
bool channel::peer_finished() const noexcept {
    return impl_ && impl_->peer_finished();
}

channel_state channel::update() {
    return throwing(*this, [this](std::error_code& ec) { return update(ec); });
}
channel_state channel::update(std::error_code& ec) {
    if (!impl_) {
        ec = errc::closed;
        return channel_state::closed;
    }
    impl_->update(ec);
    return impl_->state();
}

bool channel::try_send(std::span<const std::byte> message) {
    return throwing(*this, [&](std::error_code& ec) { return try_send(message, ec); });
}
bool channel::try_send(std::span<const std::byte> message, std::error_code& ec) {
    if (!impl_) [[unlikely]] {
        ec = errc::closed;
        return false;
    }
    return impl_->try_send(message, ec);
}

std::size_t channel::try_send_batch(std::span<const std::span<const std::byte>> messages) {
    return throwing(*this, [&](std::error_code& ec) { return try_send_batch(messages, ec); });
}
std::size_t channel::try_send_batch(std::span<const std::span<const std::byte>> messages,
                                    std::error_code& ec) {
    if (!impl_) {
        ec = errc::closed;
        return 0;
    }
    std::size_t sent = 0;
    while (sent < messages.size() && impl_->stage(messages[sent], ec))
        ++sent;
    if (sent != 0)
        impl_->flush();
    return sent;
}

std::span<std::byte> channel::reserve(std::size_t size) {
    return throwing(*this, [&](std::error_code& ec) { return reserve(size, ec); });
}
std::span<std::byte> channel::reserve(std::size_t size, std::error_code& ec) {
    if (impl_) [[likely]]
        return impl_->reserve(size, ec);
    ec = errc::closed;
    return {};
}
void channel::commit(std::size_t size) noexcept {
    if (impl_)
        impl_->commit(size);
}
void channel::flush() noexcept {
    if (impl_)
        impl_->flush();
}

bool channel::drained() {
    return throwing(*this, [this](std::error_code& ec) { return drained(ec); });
}
bool channel::drained(std::error_code& ec) {
    if (impl_)
        return impl_->drained(ec);
    ec = errc::closed;
    return false;
}

std::optional<std::size_t> channel::try_receive(std::span<std::byte> into) {
    return throwing(*this, [&](std::error_code& ec) { return try_receive(into, ec); });
}
std::size_t channel::receive(std::span<std::byte> into, std::error_code& ec) {
    if (impl_) [[likely]]
        return impl_->try_receive(into, ec);
    ec = errc::closed;
    return no_message;
}

std::optional<std::size_t> channel::next_size() {
    return throwing(*this, [this](std::error_code& ec) { return next_size(ec); });
}
std::optional<std::size_t> channel::next_size(std::error_code& ec) {
    if (impl_)
        return impl_->next_size(ec);
    ec = errc::closed;
    return std::nullopt;
}

std::optional<std::span<const std::byte>> channel::peek() {
    return throwing(*this, [this](std::error_code& ec) { return peek(ec); });
}
std::optional<std::span<const std::byte>> channel::peek(std::error_code& ec) {
    if (impl_) [[likely]]
        return impl_->peek(ec);
    ec = errc::closed;
    return std::nullopt;
}
void channel::consume() noexcept {
    if (impl_)
        impl_->consume();
}

} // namespace ivshmem
