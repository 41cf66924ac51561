// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/channel_impl.hpp"

#include <ivshmem/channel_driver.hpp>

namespace ivshmem {

template <typename Copy>
bool channel::impl::receive_some(std::size_t capacity, std::size_t& done, Copy&& copy,
                                 std::error_code& ec) {
    if (!consumer_.in_message())
        done = 0; // the parts were of a session that is over
    // Bounds the loop, which a peer that abandons every message could continue endlessly.
    std::size_t most = 2 * (std::size_t{longest_record()} + 8);
    while (front(ec)) {
        most -= std::min<std::size_t>(most, layout::record_size(record_.length));
        if (record_.kind == layout::kind::abandon) {
            pop();
            drop_kept();
            done = 0;
            if (most == 0)
                return false;
            continue;
        }
        const std::size_t before = done == 0 && kept_ ? kept_->size() : done;
        if (record_.total > capacity - std::min(capacity, before)) {
            ec = errc::buffer_too_small;
            return false;
        }
        if (done == 0 && kept_) {
            copy(0, std::as_bytes(std::span{*kept_}));
            drop_kept();
            done = before;
        }
        copy(done, std::span<const std::byte>{theirs_.bytes(record_.payload, record_.length)});
        done += record_.length;
        const bool complete = record_.kind == layout::kind::last;
        pop();
        if (complete)
            return true;
    }
    return false;
}

std::uint32_t channel_driver::session() const noexcept {
    return impl_ != nullptr ? impl_->session() : 0;
}
std::uint64_t channel_driver::rings() const noexcept {
    return impl_ != nullptr ? impl_->rings() : 0;
}
std::uint32_t channel_driver::unread() const noexcept {
    return impl_ != nullptr ? impl_->unread() : 0;
}
bool channel_driver::has_data() const noexcept {
    return impl_ != nullptr && impl_->has_data();
}
bool channel_driver::drained() noexcept {
    return impl_ != nullptr && impl_->drained();
}
void channel_driver::state_error(std::error_code& ec) const noexcept {
    if (impl_ != nullptr)
        impl_->why_not(ec);
    else
        ec = errc::closed;
}
bool channel_driver::is_contested() const noexcept {
    return impl_ != nullptr && impl_->is_contested();
}

bool channel_driver::arm(std::uint32_t what) noexcept {
    return impl_ != nullptr && impl_->arm(what);
}
void channel_driver::disarm() noexcept {
    if (impl_ != nullptr)
        impl_->disarm();
}
void channel_driver::settle() noexcept {
    if (impl_ != nullptr)
        impl_->settle();
}
void channel_driver::ring_again() noexcept {
    if (impl_ != nullptr)
        impl_->ring_again();
}

bool channel_driver::send_parts(std::size_t size, std::size_t& done, fill_function* fill,
                                void* context, std::error_code& ec) {
    if (impl_ != nullptr) [[likely]]
        return impl_->send_parts(size, done, fill, context, ec);
    ec = errc::closed;
    return false;
}
void channel_driver::abandon() noexcept {
    if (impl_ != nullptr)
        impl_->abandon();
}
bool channel_driver::receive_parts(std::size_t capacity, std::size_t& done, copy_function* copy,
                                   void* context, std::error_code& ec) {
    if (impl_ != nullptr) [[likely]]
        return impl_->receive_some(
            capacity, done,
            [&](std::size_t offset, std::span<const std::byte> part) {
                copy(context, offset, part);
            },
            ec);
    ec = errc::closed;
    return false;
}
void channel_driver::keep(std::span<const std::byte> part) {
    if (impl_ != nullptr)
        impl_->keep(part);
}
std::optional<std::size_t> channel_driver::gather(std::error_code& ec) {
    if (impl_ != nullptr) [[likely]]
        return impl_->gather(SIZE_MAX, ec);
    ec = errc::closed;
    return std::nullopt;
}
void channel_driver::skip() noexcept {
    if (impl_ != nullptr)
        impl_->skip();
}
std::optional<std::span<const std::byte>> channel_driver::peek_part(std::error_code& ec) {
    if (impl_ != nullptr) [[likely]]
        return impl_->peek_part(ec);
    ec = errc::closed;
    return std::nullopt;
}
void channel_driver::withdraw() noexcept {
    if (impl_ != nullptr)
        impl_->withdraw();
}
void channel_driver::reject(layout_violation what) noexcept {
    if (impl_ != nullptr)
        impl_->reject(what);
}

} // namespace ivshmem
