// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c/api.hpp"
#include "c/handles.hpp"

#include <ivshmem/device.hpp>
#include <ivshmem/slot.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

namespace ivshmem::capi {

/// A slot, and the device under it, which its services and channels share.
struct held_slot {
    held_slot(std::shared_ptr<ivshmem::device> of, ivshmem::slot claimed)
        : device{std::move(of)}, slot{std::move(claimed)} {}

    std::shared_ptr<ivshmem::device> device;
    ivshmem::slot slot;

    /// Throws errc::closed unless the slot is open.
    void check_open() const;
    /// Takes the rings and answers claims. @throws error as ivshmem_slot_update().
    void update();
    /// How long to sleep at most for something that a peer rings for: a ring may get lost.
    [[nodiscard]] std::chrono::nanoseconds longest_sleep() const;
    /// Tells that what the caller waited for was there. If the last wait ended without a ring, that
    /// was lost.
    void found();
    /// Waits until a peer rings; then updates.
    /// @param at_most Shorter if nobody can ring.
    void wait(std::chrono::nanoseconds at_most);
    /// As that, for an object that asks a peer to ring: arm() before, disarm() after it.
    template <typename Sleeper>
    void wait(Sleeper& of, std::chrono::nanoseconds at_most) {
        check_open();
        const int fd = rung_fd();
        expired_ = false;
        if (of.arm())
            sleep(fd, at_most);
        of.disarm();
        update();
    }

  private:
    /// Negative: nobody can ring.
    [[nodiscard]] int rung_fd() const;
    void sleep(int fd, std::chrono::nanoseconds at_most);

    bool proven_ = false;      ///< rings have arrived, and none was lost since
    bool expired_ = false;     ///< the last sleep ended without a ring
    unsigned unannounced_ = 0; ///< what was found without a ring since the last ring
};

struct slot_object {
    using handle_type = ivshmem_slot;
    static constexpr handle_kind kind = handle_kind::slot;

    std::shared_ptr<held_slot> held;

    /// Gives the slot back, even if channels still share it.
    ~slot_object() { held->slot.close(); }
};

/// Makes the handle of a slot that was claimed.
ivshmem_slot* make_slot(std::shared_ptr<device> of, ivshmem::slot claimed);

} // namespace ivshmem::capi
