// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "vector_router.hpp"

#include "base/wait_fds.hpp"
#include "service/log.hpp"

#include <algorithm>

namespace ivshmem_share {

using ivshmem::failure;

vector_router::vector_router(ivshmem::backend& device)
    : device_{device}, direct_(device.facts().capabilities.interrupts) {}

void vector_router::add(const std::shared_ptr<program>& p, failure& f) {
    for (std::size_t number = 0; !f && number < direct_.size(); ++number)
        p->vectors.push_back({.eventfd = ivshmem::make_eventfd(p->label(), f),
                              .watched = false,
                              .missed = direct_[number] != nullptr});
    if (!f)
        programs_.push_back(p);
}

void vector_router::add(const std::shared_ptr<program>& p,
                        std::vector<ivshmem::unique_fd> eventfds) {
    for (std::uint32_t number = 0; number < eventfds.size(); ++number) {
        p->vectors.push_back({.eventfd = std::move(eventfds[number]),
                              .watched = false,
                              .missed = direct_[number] != nullptr});
        signal(*p, number);
    }
    programs_.push_back(p);
}

void vector_router::remove(const std::shared_ptr<program>& p) {
    if (std::erase(programs_, p) == 0)
        return;
    for (std::uint32_t vector = 0; vector < direct_.size(); ++vector) {
        if (p->vectors[vector].watched)
            route(vector);
        if (direct_[vector] == p.get()) // the kernel did not let it be changed
            direct_[vector] = nullptr;
    }
}

void vector_router::watch(program& p, std::uint32_t vector) {
    program::vector& own = p.vectors[vector];
    if (own.watched)
        return;
    own.watched = true;
    route(vector, &p);
    if (own.missed)
        signal(p, vector);
}

void vector_router::route(std::uint32_t vector, const program* begins) {
    const auto waits = [&](const auto& p) {
        return p->vectors[vector].watched;
    };
    const auto count = std::count_if(programs_.begin(), programs_.end(), waits);
    const auto first = std::find_if(programs_.begin(), programs_.end(), waits);
    const program* const alone = count == 1 ? first->get() : nullptr;
    if (alone == direct_[vector])
        return;
    failure f;
    const int eventfd = alone == nullptr ? -1 : alone->vectors[vector].eventfd.get();
    if (!device_.direct(vector, eventfd, f)) {
        if (f)
            service::log::error("{}", f.message());
        return;
    }
    direct_[vector] = alone;
    for (const auto& p : programs_) {
        if (p.get() != alone && alone != nullptr)
            p->vectors[vector].missed = true;
        // An interrupt that came during the change may be lost. A program that begins to wait looks
        // at the memory first.
        if (p->vectors[vector].watched && p.get() != begins)
            signal(*p, vector);
    }
}

void vector_router::pass_on(std::uint32_t vector, failure& f) {
    if (device_.take(vector, f) == 0)
        return;
    for (const auto& p : programs_)
        signal(*p, vector);
}

void vector_router::signal(program& p, std::uint32_t vector) {
    if (!doorbells_.signal(p.vectors[vector].eventfd.get()))
        service::log::detail("{}: vector {} cannot be signalled", p.label(), vector);
}

} // namespace ivshmem_share
