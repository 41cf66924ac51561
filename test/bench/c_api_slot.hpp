// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/ivshmem.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace bench {

/// A slot of two, by the API in C.
class slot_in_c {
  public:
    slot_in_c(const std::string& server, std::uint32_t number, std::uint32_t ring_size) {
        ivshmem_open_options opening{};
        opening.size = sizeof opening;
        opening.vectors = 1;
        ivshmem_slot_options claiming{};
        claiming.size = sizeof claiming;
        claiming.slots = 2;
        claiming.lanes = 1;
        claiming.ring_size = ring_size;
        check(ivshmem_device_open(server.c_str(), &opening, &device_));
        check(ivshmem_slot_claim(device_, static_cast<std::int32_t>(number), &claiming, &slot_));
    }
    slot_in_c(const slot_in_c&) = delete;
    slot_in_c& operator=(const slot_in_c&) = delete;
    ~slot_in_c() {
        ivshmem_slot_close(slot_);
        ivshmem_device_close(device_);
    }

    [[nodiscard]] ivshmem_slot* get() const { return slot_; }
    static void check(int result) {
        if (result != 0)
            throw std::runtime_error{ivshmem_last_error()};
    }

  private:
    ivshmem_device* device_ = nullptr;
    ivshmem_slot* slot_ = nullptr;
};

} // namespace bench
