// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "ids.hpp"

namespace ivshmem_server {

std::optional<std::uint16_t> ids::take() {
    std::uint16_t id = 0;
    if (never_used_ > 0) {
        --never_used_;
        id = next_++; // wraps at 65536
    } else if (!clean_.empty()) {
        id = clean_.begin()->second;
        clean_.erase(clean_.begin());
    } else {
        return std::nullopt;
    }
    entries_[id].in_use = true;
    return id;
}

void ids::give_back(std::uint16_t id) {
    entries_[id].left = ++departures_;
    entries_[id].in_use = false;
    insert_if_clean(id);
}

void ids::remove_knower(std::uint16_t id) {
    --entries_[id].knowers;
    insert_if_clean(id);
}

void ids::insert_if_clean(std::uint16_t id) {
    const entry& e = entries_[id];
    if (!e.in_use && e.knowers == 0)
        clean_.emplace(e.left, id);
}

} // namespace ivshmem_server
