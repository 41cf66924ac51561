// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/v2_backend.hpp"

#include "base/wait_fds.hpp"

#include <ivshmem/detail/doorbell_page.hpp>

#include <array>
#include <utility>

#include <unistd.h>

namespace ivshmem {

std::uint32_t v2_facts::state_of(std::uint32_t peer) const noexcept {
    const std::uint32_t value = states[peer];
    std::atomic_thread_fence(std::memory_order_acquire);
    return detail::to_register(value);
}

v2_backend::v2_backend(backend_kind kind, const device_info& info, use how)
    : use_{how}, opener_{::getpid()} {
    facts_.kind = kind;
    facts_.name = to_string(info.address);
    facts_.info = info;
    facts_.capabilities.ring = true;
    facts_.v2.emplace();
    // ivshmem-v2-specification.md, "Header Registers": sub-class and interface are the protocol.
    facts_.v2->protocol = static_cast<std::uint16_t>(info.class_code & 0xffffU);
}

v2_backend::v2_backend(backend_facts known) : use_{use::shared}, opener_{::getpid()} {
    facts_ = std::move(known);
}

void v2_backend::take_registers(const v2_registers& registers, failure& f) {
    const auto [id, max_peers] = registers.identify(facts_.name, f);
    if (f)
        return;
    registers_ = registers;
    facts_.id = id;
    facts_.v2->max_peers = max_peers;
    facts_.doorbell = registers_.mapped_doorbell();
    if (use_ == use::alone)
        silence(f);
}

void v2_backend::silence(failure& f) {
    registers_.write(v2_registers::int_control, 0);
    if (registers_.read(v2_registers::state) != 0)
        set_state(0, f);
}

void v2_backend::take_sections(const v2_sections& sections,
                               const std::optional<memory_region>& part, cache_mode mode,
                               std::string reason, failure& f) {
    const void* const states = sections.states.data();
    facts_.v2->states = static_cast<const volatile std::uint32_t*>(states);
    facts_.v2->outputs = sections.outputs;
    facts_.v2->output = sections.output;
    const std::uint64_t all = sections.read_write.size();
    const auto [offset, size] = part.value_or(memory_region{0, all});
    if (offset > all || size > all - offset)
        return f.set(
            std::make_error_code(std::errc::invalid_argument),
            formatted("{}: open_options::part: {} bytes from {:#x} on are no part of the {} bytes "
                      "of the read/write section",
                      facts_.name, size, offset, all));
    facts_.memory = {sections.read_write.subspan(static_cast<std::size_t>(offset),
                                                 static_cast<std::size_t>(size)),
                     mode, std::move(reason)};
}

void v2_backend::start(std::vector<int> vectors, int attention, std::span<const int> events,
                       failure& f) {
    vectors_ = std::move(vectors);
    facts_.capabilities.interrupts = static_cast<std::uint32_t>(vectors_.size());
    const bool sees_states = facts_.v2->states != nullptr;
    facts_.capabilities.state_events = sees_states && !vectors_.empty();
    std::vector<int> notice;
    if (attention >= 0)
        notice.push_back(attention);
    std::vector<int> news{events.begin(), events.end()};
    if (!vectors_.empty()) {
        for (unique_fd* const made : {&passed_on_, &noticed_, &unseen_})
            if (!f)
                *made = make_eventfd(facts_.name, f);
        if (f)
            return;
        rings_ = make_epoll(facts_.name, std::array{vectors_[0], passed_on_.get()}, f);
        notice.insert(notice.end(), {vectors_[0], noticed_.get()});
        news.insert(news.end(), {vectors_[0], unseen_.get()});
    }
    if (!f && !notice.empty())
        attention_ = make_epoll(facts_.name, notice, f);
    if (!f && !news.empty())
        events_ = make_epoll(facts_.name, news, f);
    if (f)
        return;
    if (!vectors_.empty() && !registers_.write(v2_registers::int_control, 1))
        return f.set_errno(errno, "{}: writing the register Interrupt Control", facts_.name);
    // Only after the interrupts are on: a change before would be missed.
    for (std::uint32_t peer = 0; sees_states && peer < facts_.v2->max_peers; ++peer)
        known_.push_back(facts_.v2->state_of(peer));
}

void v2_backend::leave() noexcept {
    if (use_ == use::shared || !registers_.is_set() || opener_ != ::getpid())
        return;
    withdraw();
    registers_.write(v2_registers::int_control, 0);
    registers_ = {};
}

void v2_backend::withdraw() noexcept {
    if (registers_.is_set() && opener_ == ::getpid())
        registers_.write(v2_registers::state, 0);
}

void v2_backend::ring(std::uint16_t peer, std::uint16_t vector, failure& f) {
    if (!registers_.write(v2_registers::doorbell,
                          std::uint32_t{peer} << 16U | std::uint32_t{vector}))
        f.set_errno(errno, "{}: writing the register Doorbell", facts_.name);
}

void v2_backend::set_state(std::uint32_t value, failure& f) {
    if (!registers_.write(v2_registers::state, value))
        return f.set_errno(errno, "{}: writing the register State", facts_.name);
    check_presence(f); // a store to a device that is gone vanishes
}

void v2_backend::check_presence(failure& f) const {
    if (registers_.read(v2_registers::id) == ~0U)
        f.set(
            errc::device_gone,
            "{}: the registers read as all-ones: the device does not answer; was it unplugged, or "
            "did the process that presents it end?",
            facts_.name);
}

int v2_backend::rings_fd(std::uint32_t vector) const {
    return vector == 0 ? rings_.get() : vectors_[vector];
}

std::uint64_t v2_backend::drain_for(reader who, failure& f) {
    const std::uint64_t count = vectors_.empty() ? 0 : drain(f);
    if (count == 0)
        return 0;
    ++changes_;
    if (who != reader::events && events_wanted_)
        signal_eventfd(unseen_.get());
    if (states_watched_)
        signal_eventfd(noticed_.get());
    return count;
}

void v2_backend::pass_on_rings(std::uint64_t count) {
    if (count == 0)
        return;
    rings_passed_on_ += count; // before the signal, which take() clears before it looks here
    signal_eventfd(passed_on_.get());
}

std::uint64_t v2_backend::take(std::uint32_t vector, failure& f) {
    std::uint64_t count = vector == 0 ? 0 : take_eventfd(vectors_[vector]);
    if (count != 0)
        return count;
    const std::uint64_t first = drain_for(reader::rings, f);
    if (vector != 0) {
        take_eventfd(noticed_.get());
        pass_on_rings(first);
    } else {
        count = first;
        if (first == 0 || rings_passed_on_ != 0) {
            take_eventfd(passed_on_.get());
            count += rings_passed_on_.exchange(0);
        }
        if (first == 0)
            take_eventfd(noticed_.get());
    }
    if (count == 0 && !f)
        check_removal(f);
    return count;
}

int v2_backend::event_fd() const {
    // Interrupts that were read before are looked into once.
    if (!events_wanted_.exchange(true) && unseen_)
        signal_eventfd(unseen_.get());
    return events_.get();
}

std::optional<event> v2_backend::next_event(failure& f) {
    if (unseen_)
        take_eventfd(unseen_.get()); // before looking
    pass_on_rings(drain_for(reader::events, f));
    if (f)
        return std::nullopt;
    if (auto other = next_other_event(f); other || f)
        return other;
    return facts_.capabilities.state_events ? next_change() : std::nullopt;
}

std::optional<event> v2_backend::next_change() {
    const std::lock_guard lock{mutex_};
    const std::uint32_t peers = facts_.v2->max_peers;
    for (std::uint32_t i = 0; i < peers; ++i) {
        const std::uint32_t peer = (next_peer_ + i) % peers;
        const std::uint32_t state = facts_.v2->state_of(peer);
        if (std::exchange(known_[peer], state) == state || peer == facts_.id)
            continue;
        next_peer_ = (peer + 1) % peers;
        signal_eventfd(unseen_.get()); // there may be more
        return event{event::kind::state_changed, static_cast<std::uint16_t>(peer)};
    }
    return std::nullopt;
}

std::vector<std::uint16_t> v2_backend::peers(failure& /*f*/) {
    std::vector<std::uint16_t> present;
    for (std::uint32_t peer = 0; peer < facts_.v2->max_peers; ++peer)
        if (peer != facts_.id && facts_.v2->state_of(peer) != 0)
            present.push_back(static_cast<std::uint16_t>(peer));
    return present;
}

} // namespace ivshmem
