// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/blocking.hpp"
#include "c/channel_object.hpp"
#include "c/failures.hpp"

#include <cstring>
#include <new>

using namespace ivshmem::capi;

extern "C" {

int ivshmem_channel_wait_connected(ivshmem_channel* channel, int timeout_ms) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        until_done(of, ivshmem::channel_driver::for_data, timeout_ms, [&] {
            const auto state = of.channel.update(of.ec);
            if (!of.ec)
                of.driver.state_error(of.ec);
            return state == ivshmem::channel_state::connected;
        });
    });
}

int ivshmem_channel_send(ivshmem_channel* channel, const void* message, size_t size,
                         int timeout_ms) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto bytes = bytes_of(message, size);
        of.disentangle_sending();
        const auto fill = [&](std::span<std::byte> into, std::size_t offset) {
            if (!into.empty())
                std::memcpy(into.data(), bytes.data() + offset, into.size());
        };
        std::size_t done = 0;
        try {
            until_done(of, ivshmem::channel_driver::for_room, timeout_ms,
                       [&] { return of.driver.send_some(size, done, fill, of.ec); });
        } catch (...) {
            of.driver.abandon();
            throw;
        }
    });
}

int ivshmem_channel_receive(ivshmem_channel* channel, void* buffer, size_t capacity, size_t* size,
                            int timeout_ms) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto into = bytes_of(buffer, capacity);
        require(size);
        of.disentangle_receiving();
        const auto copy = [&](std::size_t offset, std::span<const std::byte> part) {
            if (!part.empty())
                std::memcpy(into.data() + offset, part.data(), part.size());
        };
        std::size_t done = 0;
        try {
            until_done(of, ivshmem::channel_driver::for_data, timeout_ms,
                       [&] { return of.driver.receive_some(capacity, done, copy, of.ec); });
        } catch (...) {
            if (done == 0) { // the next message may be too long
                std::error_code ignored;
                *size = of.channel.next_size(ignored).value_or(0);
                throw;
            }
            try {
                of.driver.keep(into.first(done));
            } catch (const std::bad_alloc&) {
                of.channel
                    .close(); // its first parts are lost: the rest must not pass for a message
            }
            throw;
        }
        of.driver.settle();
        *size = done;
    });
}

int ivshmem_channel_drain(ivshmem_channel* channel, int timeout_ms) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        until_done(of, ivshmem::channel_driver::for_drained, timeout_ms,
                   [&] { return of.channel.drained(of.ec); });
    });
}

} // extern "C"
