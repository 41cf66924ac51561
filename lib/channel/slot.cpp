// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/twins.hpp"
#include "channel/slot_claim_impl.hpp"
#include "channel/slot_impl.hpp"

#include <thread>

namespace ivshmem {

slot::slot() noexcept = default;
slot::slot(slot&& other) noexcept = default;
slot::slot(std::shared_ptr<impl> claimed) noexcept : impl_{std::move(claimed)} {}
slot& slot::operator=(slot&& other) noexcept {
    if (this != &other) {
        close();
        impl_ = std::move(other.impl_);
    }
    return *this;
}
slot::~slot() {
    close();
}

namespace {

std::shared_ptr<slot::impl> claim_in_steps(slot_claim::impl claim, failure& f) {
    for (auto pause = claim.step(f); pause.count() != 0; pause = claim.step(f))
        std::this_thread::sleep_for(pause);
    return claim.take();
}

} // namespace

slot slot::claim(const device& of, const slot_options& options) {
    return throwing([&](failure& f) {
        return slot{claim_in_steps({of.impl_, options, slot_claim::of::one_slot}, f)};
    });
}

slot slot::claim(const device& of, const slot_options& options, std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        return slot{claim_in_steps({of.impl_, options, slot_claim::of::one_slot}, f)};
    });
}

slot slot::claim_free(const device& of, const slot_options& options) {
    return throwing([&](failure& f) {
        return slot{claim_in_steps({of.impl_, options, slot_claim::of::free_slot}, f)};
    });
}

slot slot::claim_free(const device& of, const slot_options& options, std::error_code& ec) {
    return reporting(ec, [&](failure& f) {
        return slot{claim_in_steps({of.impl_, options, slot_claim::of::free_slot}, f)};
    });
}

void slot::close() noexcept {
    if (impl_)
        impl_->leave();
    impl_.reset();
}

std::uint32_t slot::number() const noexcept {
    return impl_->number();
}

std::uint32_t slot::incarnation() const noexcept {
    return impl_->incarnation();
}

const region_geometry& slot::geometry() const noexcept {
    return impl_->geometry();
}

memory_region slot::region() const noexcept {
    return impl_->divided().region;
}

std::span<std::byte> slot::application_memory() const noexcept {
    return impl_->application_memory();
}

std::uint16_t slot::vector() const noexcept {
    return impl_->vector();
}

bool slot::has_interrupts() const noexcept {
    return impl_->interrupts() != 0;
}

std::chrono::milliseconds slot::heartbeat() const noexcept {
    return impl_->heartbeat_period();
}

std::uint64_t slot::channel_size() const noexcept {
    return 2 * impl_->block_size();
}

void slot::answer_claims() {
    std::error_code ec;
    answer_claims(ec);
    if (ec)
        throw error{ec, "slot: " + ec.message()};
}

void slot::answer_claims(std::error_code& ec) {
    ec.clear();
    if (impl_ == nullptr)
        ec = errc::closed;
    else if (!impl_->answer_claims() || !impl_->check_directory())
        ec = impl_->why_not();
}

std::uint32_t slot::repairs() const noexcept {
    return impl_->repairs();
}

std::vector<slot_holder> slot::holders() const {
    std::vector<slot_holder> found;
    for (std::uint32_t other = 0; other < impl_->geometry().slots; ++other)
        if (other != impl_->number())
            if (const auto holder = impl_->find_holder(other))
                found.push_back(*holder);
    return found;
}

namespace {

std::optional<slot_holder> find_holder_in(slot::impl* claimed, std::uint32_t number, failure& f) {
    return in_usable(claimed, f, [&](slot::impl& in) -> std::optional<slot_holder> {
        if (number >= in.geometry().slots)
            f.set(errc::slot_out_of_range, "there is no slot {}, only 0 to {}", number,
                  in.geometry().slots - 1);
        return f ? std::nullopt : in.find_holder(number);
    });
}

} // namespace

std::optional<slot_holder> slot::find_holder(std::uint32_t number) const {
    return throwing([&](failure& f) { return find_holder_in(impl_.get(), number, f); });
}

std::optional<slot_holder> slot::find_holder(std::uint32_t number, std::error_code& ec) const {
    return reporting(ec, [&](failure& f) { return find_holder_in(impl_.get(), number, f); });
}

} // namespace ivshmem
