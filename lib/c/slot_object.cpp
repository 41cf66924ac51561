// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/slot_object.hpp"

#include "c/failures.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include <poll.h>

namespace ivshmem::capi {

void held_slot::check_open() const {
    if (!slot.is_open()) [[unlikely]]
        throw error{errc::closed, "the slot is closed: claim it first"};
}

void held_slot::update() {
    check_open();
    if (slot.has_interrupts() && device->take(slot.vector()) != 0) { // else a peer may have left
        proven_ = true;
        unannounced_ = 0;
        expired_ = false;
    }
    slot.answer_claims();
}

std::chrono::nanoseconds held_slot::longest_sleep() const {
    using namespace std::chrono_literals;
    return proven_ ? 60s : 1s;
}

void held_slot::found() {
    if (expired_ && ++unannounced_ > 1) // a single one may be a ring on its way
        proven_ = false;
    expired_ = false;
}

void held_slot::wait(std::chrono::nanoseconds at_most) {
    check_open();
    sleep(rung_fd(), at_most);
    update();
}

int held_slot::rung_fd() const {
    return slot.has_interrupts() ? device->interrupt_fd(slot.vector()) : -1;
}

void held_slot::sleep(int fd, std::chrono::nanoseconds at_most) {
    using namespace std::chrono_literals;
    if (fd < 0)
        at_most = std::min<std::chrono::nanoseconds>(at_most, 1ms);
    if (slot.heartbeat() != 0ms)
        at_most = std::min<std::chrono::nanoseconds>(at_most, slot.heartbeat());
    pollfd rung{fd, POLLIN, 0}; // -1: ppoll() only waits
    const timespec time{static_cast<std::time_t>(at_most.count() / 1'000'000'000),
                        static_cast<long>(at_most.count() % 1'000'000'000)};
    expired_ = ::ppoll(&rung, 1, &time, nullptr) == 0; // EINTR is a wake-up too
}

ivshmem_slot* make_slot(std::shared_ptr<device> of, ivshmem::slot claimed) {
    auto held = std::make_shared<held_slot>(std::move(of), std::move(claimed));
    return make_handle(std::unique_ptr<slot_object>{new slot_object{std::move(held)}});
}

} // namespace ivshmem::capi
