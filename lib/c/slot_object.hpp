// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c/api.hpp"
#include "c/handles.hpp"

#include <ivshmem/channel_driver.hpp>
#include <ivshmem/device.hpp>
#include <ivshmem/slot.hpp>

#include <chrono>
#include <cstdint>
#include <memory>

namespace ivshmem::capi {

/// A slot, and the device under it, which its services and channels share.
struct held_slot {
    std::shared_ptr<ivshmem::device> device;
    ivshmem::slot slot;

    /// Throws errc::closed unless the slot is open.
    void check_open() const;
    /// Takes the rings and answers claims. @throws error as ivshmem_slot_update().
    void update();
    /// Waits until a peer rings; then updates.
    /// @param driver Of a channel that is armed before, and disarmed after it; null: none.
    /// @param what The events to be rung for, of channel_driver::wake.
    /// @param at_most Shorter if nobody can ring.
    void wait(channel_driver* driver, std::uint32_t what, std::chrono::nanoseconds at_most);
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
