// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "places.hpp"

#include "base/wait_fds.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/eventfd.h>

namespace ivshmem_server {

namespace {

/// Removes the traces of the client that had the place before.
void reset(const eventfds& vectors) {
    for (const ivshmem::unique_fd& fd : vectors) {
        ivshmem::take_eventfd(fd.get());
        ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    }
}

} // namespace

std::optional<place> places::take(std::size_t clients, std::error_code& ec) {
    const bool rested = kept_.size() >= rotation || clients + kept_.size() >= most_;
    if (!kept_.empty() && (rested || ids_.clean() == 0)) {
        place p = std::move(kept_.front());
        kept_.pop_front();
        reset(*p.vectors);
        return p;
    }
    auto made = std::make_shared<eventfds>();
    made->reserve(vectors_);
    for (unsigned i = 0; i < vectors_; ++i) {
        made->emplace_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!made->back()) {
            ec.assign(errno, std::system_category());
            return std::nullopt;
        }
    }
    const auto id = ids_.take();
    if (!id)
        return std::nullopt;
    return place{*id, std::move(made)};
}

bool places::update() {
    const std::size_t clean = ids_.clean();
    // Leaves `scarce` later than it enters it, so that the state does not change at each join.
    const std::size_t limit = state_ == supply::scarce ? 2 * reserve : reserve;
    const supply now = clean < limit            ? supply::scarce
                       : clean < ids::count / 2 ? supply::low
                                                : supply::plenty;
    return std::exchange(state_, now) != now;
}

} // namespace ivshmem_server
