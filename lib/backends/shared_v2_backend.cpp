// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/shared_v2_backend.hpp"

#include "base/wait_fds.hpp"

#include <array>
#include <utility>

namespace ivshmem {

namespace {

backend_facts known_by(const shared_backend& link) {
    backend_facts known = link.facts();
    known.v2.emplace().protocol = link.v2()->protocol;
    if (known.info)
        known.info->v2 = link.v2()->layout;
    return known;
}

} // namespace

shared_v2_backend::shared_v2_backend(std::unique_ptr<shared_backend> link)
    : v2_backend{known_by(*link)}, link_{std::move(link)} {}

shared_v2_backend::~shared_v2_backend() {
    if (has_state_)
        withdraw();
}

std::unique_ptr<backend> shared_v2_backend::open(std::unique_ptr<shared_backend> link,
                                                 const open_options& options, failure& f) {
    std::unique_ptr<shared_v2_backend> opened{new shared_v2_backend{std::move(link)}};
    const shared_backend& through = *opened->link_;
    opened->take_registers(v2_registers{through.v2()->registers}, f);
    if (!f)
        opened->map_sections(options, f);
    std::vector<int> vectors;
    for (std::uint32_t vector = 0; vector < through.facts().capabilities.interrupts; ++vector)
        vectors.push_back(through.rings_fd(vector));
    if (!f)
        opened->start(std::move(vectors), through.attention_fd(), std::array{through.event_fd()},
                      f);
    if (f)
        return nullptr;
    return opened;
}

void shared_v2_backend::map_sections(const open_options& options, failure& f) {
    const auto& [layout, protocol, fd, registers] = *link_->v2();
    const std::uint64_t size = check_v2_sizes(facts_.name, layout, facts_.v2->max_peers, f);
    if (!f && is_shorter(fd.get(), static_cast<std::size_t>(size)))
        f.set(errc::sections_invalid,
              "{}: ivshmem-share gave less memory than the {:#x} bytes of "
              "all sections; is it another version?",
              facts_.name, size);
    if (f)
        return;
    for (const auto& [region, protection] : v2_parts(layout, facts_.v2->max_peers, facts_.id)) {
        memory_.emplace_back(fd.get(), static_cast<std::size_t>(region.size),
                             static_cast<off_t>(region.offset), protection);
        if (!memory_.back() && errno == EPERM)
            return f.set(errc::locked_down, "{}: mmap: kernel lockdown forbids shared devices",
                         facts_.name);
        if (!memory_.back())
            return f.set_errno(errno, "{}: a section of {} bytes: mmap", facts_.name, region.size);
    }
    std::vector<const mapping*> maps;
    for (const mapping& map : memory_)
        maps.push_back(&map);
    take_sections(v2_sections_in(layout, maps), options.part, facts_.memory.mode(),
                  facts_.memory.reason(), f);
}

std::uint64_t shared_v2_backend::take(std::uint32_t vector, failure& f) {
    link_->watch(vector, f);
    return f ? 0 : v2_backend::take(vector, f);
}

int shared_v2_backend::event_fd() const {
    failure in_vain; // next_event() reports that the service has ended
    if (facts_.capabilities.interrupts != 0)
        link_->watch(0, in_vain);
    return v2_backend::event_fd();
}

void shared_v2_backend::watch_states() {
    failure in_vain; // take() reports that the service has ended
    if (facts_.capabilities.interrupts != 0)
        link_->watch(0, in_vain);
    v2_backend::watch_states();
}

void shared_v2_backend::set_state(std::uint32_t value, failure& f) {
    const std::lock_guard lock{state_};
    if (!has_state_)
        link_->reserve_slot(facts_.id, f);
    if (f)
        return;
    v2_backend::set_state(value, f);
    has_state_ = value != 0;
    if (!has_state_)
        link_->release_slot(facts_.id);
}

std::uint64_t shared_v2_backend::drain(failure& /*f*/) {
    return take_eventfd(link_->rings_fd(0));
}

} // namespace ivshmem
