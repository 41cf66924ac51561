// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/registers.hpp"

#include "base/deadline.hpp"

#include <thread>

namespace ivshmem {

namespace {
constexpr std::uint32_t all_ones = 0xffffffffU;
constexpr std::uint32_t max_id = 0xffffU;
} // namespace

void registers::enable_intx() const noexcept {
    acknowledge_intx();
    write(intr_mask, 1);
}

std::uint16_t registers::wait_for_id(const std::string& name, unsigned revision,
                                     std::chrono::milliseconds timeout, failure& f) const {
    const auto deadline = deadline_after(timeout);
    while (true) {
        const std::uint32_t position = read(iv_position);
        if (position <= max_id)
            return static_cast<std::uint16_t>(position);
        if (position != all_ones) {
            f.set(errc::device_gone,
                  "{}: register IVPosition reads {:#x}, which is no peer id; "
                  "look at the device with lspci -vv",
                  name, position);
            return 0;
        }
        // -1 means "no id yet" on revision 0; if every register reads -1, the device does not
        // answer.
        if (revision != 0 || read(intr_mask) == all_ones) {
            f.set(errc::device_gone,
                  "{}: the registers read as all-ones: the device does not "
                  "answer; was it unplugged, or is it disabled?",
                  name);
            return 0;
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            f.set(errc::position_timeout,
                  "{}: IVPosition is still -1 after {} ms: the server has "
                  "given the device no id; is it running?",
                  name, timeout.count());
            return 0;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
}

} // namespace ivshmem
