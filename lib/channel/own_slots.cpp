// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/own_slots.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

namespace ivshmem {
namespace {

struct registry {
    std::mutex mutex;
    std::vector<const own_slot*> slots;
};

/// Never destroyed: a slot may live as long as the process.
registry& all() {
    static auto& made = *new registry;
    return made;
}

} // namespace

own_slot::own_slot(std::uint32_t number, std::uint32_t incarnation, const bool& alive)
    : number_{number}, incarnation_{incarnation}, alive_{alive} {
    const std::lock_guard lock{all().mutex};
    all().slots.push_back(this);
}

own_slot::~own_slot() {
    const std::lock_guard lock{all().mutex};
    std::erase(all().slots, this);
}

bool own_slot::exists(std::uint32_t number, std::uint32_t incarnation) {
    const std::lock_guard lock{all().mutex};
    return std::any_of(all().slots.begin(), all().slots.end(), [&](const own_slot* s) {
        return s->alive_ && s->number_ == number && s->incarnation_ == incarnation;
    });
}

} // namespace ivshmem
