// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/twins.hpp"
#include "device/device_impl.hpp"

#include <ivshmem/detail/device_reference.hpp>
#include <ivshmem/device.hpp>

namespace ivshmem {

namespace {

/// A page without a doorbell: ringing a closed device takes the slow path, which reports
/// errc::closed.
constexpr detail::doorbell_page closed_page{};

/// Calls a member of an open device, or reports errc::closed.
template <typename Impl, typename Call>
auto call(const Impl& impl, failure& f, Call&& member) -> decltype(member(*impl)) {
    if (impl)
        return member(*impl);
    f.set(errc::closed, "the device is closed: open it first");
    return decltype(member(*impl))();
}

template <typename Impl, typename Call>
auto call_or_throw(const Impl& impl, Call&& member) {
    return throwing([&](failure& f) {
        return call(impl, f, [&](const auto& open) { return member(open, f); });
    });
}

template <typename Impl, typename Call>
auto call_and_report(const Impl& impl, std::error_code& ec, Call&& member) {
    return reporting(ec, [&](failure& f) {
        return call(impl, f, [&](const auto& open) { return member(open, f); });
    });
}

} // namespace

device::device() noexcept : page_{&closed_page} {}

device::device(std::shared_ptr<impl> opened) noexcept
    : page_{opened->page()}, impl_{std::move(opened)} {}

device::device(device&& other) noexcept
    : page_{std::exchange(other.page_, &closed_page)}, impl_{std::move(other.impl_)} {}

device& device::operator=(device&& other) noexcept {
    if (this != &other) {
        page_ = std::exchange(other.page_, &closed_page);
        impl_ = std::move(other.impl_);
    }
    return *this;
}

device::~device() = default;

void device::close() noexcept {
    page_ = &closed_page;
    impl_.reset();
}

device device::open(const selector& which, const open_options& options) {
    return device{throwing([&](failure& f) { return impl::open(which, options, f); })};
}

device device::open(const selector& which, const open_options& options, std::error_code& ec) {
    auto opened = reporting(ec, [&](failure& f) { return impl::open(which, options, f); });
    return opened ? device{std::move(opened)} : device{};
}

backend_kind device::backend() const noexcept {
    return impl_->facts().kind;
}
const std::string& device::description() const noexcept {
    return impl_->facts().description;
}
const device_info* device::info() const noexcept {
    const auto& info = impl_->facts().info;
    return info ? &*info : nullptr;
}
const device_capabilities& device::capabilities() const noexcept {
    return impl_->facts().capabilities;
}
device_generation device::generation() const noexcept {
    return impl_->facts().v2 ? device_generation::v2 : device_generation::v1;
}
std::uint32_t device::max_peers() const noexcept {
    constexpr std::uint32_t all_ids = 65536;
    const auto& v2 = impl_->facts().v2;
    return v2 ? v2->max_peers : all_ids;
}
std::optional<std::uint16_t> device::protocol() const noexcept {
    const auto& v2 = impl_->facts().v2;
    return v2 ? std::optional{v2->protocol} : std::nullopt;
}
std::uint16_t device::id() const noexcept {
    return impl_->facts().id;
}
std::uint32_t device::vectors() const noexcept {
    return impl_->facts().vectors;
}
const shared_memory& device::memory() const noexcept {
    return impl_->facts().memory;
}

void device::ring_slowly(std::uint32_t peer, std::uint32_t vector) const {
    call_or_throw(impl_, [&](const impl& open, failure& f) { open.ring(peer, vector, f); });
}
void device::ring_slowly(std::uint32_t peer, std::uint32_t vector, std::error_code& ec) const {
    call_and_report(impl_, ec, [&](const impl& open, failure& f) { open.ring(peer, vector, f); });
}

int device::interrupt_fd(std::uint32_t vector) const {
    return call_or_throw(
        impl_, [&](const impl& open, failure& f) { return open.interrupt_fd(vector, f); });
}
int device::interrupt_fd(std::uint32_t vector, std::error_code& ec) const {
    return call_and_report(
        impl_, ec, [&](const impl& open, failure& f) { return open.interrupt_fd(vector, f); });
}

std::uint64_t device::take(std::uint32_t vector) {
    return call_or_throw(impl_, [&](const impl& open, failure& f) { return open.take(vector, f); });
}
std::uint64_t device::take(std::uint32_t vector, std::error_code& ec) {
    return call_and_report(impl_, ec,
                           [&](const impl& open, failure& f) { return open.take(vector, f); });
}

std::uint64_t device::wait(std::uint32_t vector, std::chrono::milliseconds timeout) {
    return call_or_throw(
        impl_, [&](const impl& open, failure& f) { return open.wait(vector, timeout, f); });
}
std::uint64_t device::wait(std::uint32_t vector, std::chrono::milliseconds timeout,
                           std::error_code& ec) {
    return call_and_report(
        impl_, ec, [&](const impl& open, failure& f) { return open.wait(vector, timeout, f); });
}

int device::any_interrupt_fd() const {
    return call_or_throw(impl_,
                         [&](const impl& open, failure& f) { return open.any_interrupt_fd(f); });
}
int device::any_interrupt_fd(std::error_code& ec) const {
    return call_and_report(impl_, ec,
                           [&](const impl& open, failure& f) { return open.any_interrupt_fd(f); });
}

std::optional<interrupt_count> device::take_any() {
    return call_or_throw(impl_, [&](const impl& open, failure& f) { return open.take_any(f); });
}
std::optional<interrupt_count> device::take_any(std::error_code& ec) {
    return call_and_report(impl_, ec,
                           [&](const impl& open, failure& f) { return open.take_any(f); });
}

int device::event_fd() const {
    return call_or_throw(impl_, [&](const impl& open, failure& f) { return open.event_fd(f); });
}
int device::event_fd(std::error_code& ec) const {
    return call_and_report(impl_, ec,
                           [&](const impl& open, failure& f) { return open.event_fd(f); });
}

std::optional<event> device::next_event() {
    return call_or_throw(impl_, [&](const impl& open, failure& f) { return open.next_event(f); });
}
std::optional<event> device::next_event(std::error_code& ec) {
    return call_and_report(impl_, ec,
                           [&](const impl& open, failure& f) { return open.next_event(f); });
}

std::vector<std::uint16_t> device::peers() {
    return call_or_throw(impl_, [&](const impl& open, failure& f) { return open.peers(f); });
}
std::vector<std::uint16_t> device::peers(std::error_code& ec) {
    return call_and_report(impl_, ec, [&](const impl& open, failure& f) { return open.peers(f); });
}

std::vector<device_user> device::users() {
    return call_or_throw(impl_, [&](const impl& open, failure& f) { return open.users(f); });
}
std::vector<device_user> device::users(std::error_code& ec) {
    return call_and_report(impl_, ec, [&](const impl& open, failure& f) { return open.users(f); });
}

std::uint32_t device::state() const {
    return call_or_throw(impl_, [&](const impl& open, failure& f) { return open.state(f); });
}
std::uint32_t device::state(std::error_code& ec) const {
    return call_and_report(impl_, ec, [&](const impl& open, failure& f) { return open.state(f); });
}

void device::set_state(std::uint32_t value) {
    call_or_throw(impl_, [&](const impl& open, failure& f) { open.set_state(value, f); });
}
void device::set_state(std::uint32_t value, std::error_code& ec) {
    call_and_report(impl_, ec, [&](const impl& open, failure& f) { open.set_state(value, f); });
}

std::uint32_t device::peer_state(std::uint32_t peer) const {
    return call_or_throw(impl_,
                         [&](const impl& open, failure& f) { return open.peer_state(peer, f); });
}
std::uint32_t device::peer_state(std::uint32_t peer, std::error_code& ec) const {
    return call_and_report(impl_, ec,
                           [&](const impl& open, failure& f) { return open.peer_state(peer, f); });
}

std::span<std::byte> device::output_section() {
    return call_or_throw(impl_,
                         [&](const impl& open, failure& f) { return open.output_section(f); });
}
std::span<std::byte> device::output_section(std::error_code& ec) {
    return call_and_report(impl_, ec,
                           [&](const impl& open, failure& f) { return open.output_section(f); });
}

std::span<const std::byte> device::output_section(std::uint32_t peer) const {
    return call_or_throw(
        impl_, [&](const impl& open, failure& f) { return open.output_section(peer, f); });
}
std::span<const std::byte> device::output_section(std::uint32_t peer, std::error_code& ec) const {
    return call_and_report(
        impl_, ec, [&](const impl& open, failure& f) { return open.output_section(peer, f); });
}

std::span<const std::byte> device::output_sections() const {
    return call_or_throw(impl_,
                         [&](const impl& open, failure& f) { return open.output_sections(f); });
}
std::span<const std::byte> device::output_sections(std::error_code& ec) const {
    return call_and_report(impl_, ec,
                           [&](const impl& open, failure& f) { return open.output_sections(f); });
}

namespace detail {

int device_reference::rings_fd(std::uint32_t vector) const {
    return call_or_throw(impl_.lock(),
                         [&](const auto& open, failure& f) { return open.rings_fd(vector, f); });
}
int device_reference::rings_fd(std::uint32_t vector, std::error_code& ec) const {
    return call_and_report(impl_.lock(), ec,
                           [&](const auto& open, failure& f) { return open.rings_fd(vector, f); });
}

int device_reference::attention_fd() const noexcept {
    const auto open = impl_.lock();
    return open ? open->attention_fd() : -1;
}

std::uint64_t device_reference::departures() const noexcept {
    const auto open = impl_.lock();
    return open ? open->departures() : 0;
}

std::uint64_t device_reference::take(std::uint32_t vector, std::error_code& ec) const {
    return call_and_report(impl_.lock(), ec,
                           [&](const auto& open, failure& f) { return open.take(vector, f); });
}

int device_reference::any_interrupt_fd() const {
    return call_or_throw(impl_.lock(),
                         [&](const auto& open, failure& f) { return open.any_interrupt_fd(f); });
}
int device_reference::any_interrupt_fd(std::error_code& ec) const {
    return call_and_report(impl_.lock(), ec,
                           [&](const auto& open, failure& f) { return open.any_interrupt_fd(f); });
}

std::optional<interrupt_count> device_reference::take_any(std::error_code& ec) const {
    return call_and_report(impl_.lock(), ec,
                           [&](const auto& open, failure& f) { return open.take_any(f); });
}

int device_reference::event_fd() const {
    return call_or_throw(impl_.lock(),
                         [&](const auto& open, failure& f) { return open.event_fd(f); });
}
int device_reference::event_fd(std::error_code& ec) const {
    return call_and_report(impl_.lock(), ec,
                           [&](const auto& open, failure& f) { return open.event_fd(f); });
}

std::optional<event> device_reference::next_event(std::error_code& ec) const {
    return call_and_report(impl_.lock(), ec,
                           [&](const auto& open, failure& f) { return open.next_event(f); });
}

} // namespace detail

} // namespace ivshmem
