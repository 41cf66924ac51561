// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/channel_object.hpp"
#include "c/failures.hpp"

#include <cstring>

namespace ivshmem::capi {
namespace {

/// Checks that a caller goes on with the part that it was left with.
/// @return Whether it begins, or goes on in this session; false: the session of the part is over.
bool goes_on(part_of_message& part, std::size_t size, std::size_t done, const channel_driver& in) {
    if (part.under_way(in)) {
        require(done == part.done && size == part.size,
                "a message of which parts were sent or received: go on with it, or end it");
        return true;
    }
    const bool stale = done != 0 && done == part.done;
    require(done == 0 || stale, "done must be 0 at the beginning of a message");
    part = {};
    return !stale;
}

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_channel_send_some(ivshmem_channel* channel, const void* message, size_t size,
                              size_t* done) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto bytes = bytes_of(message, size);
        require(done);
        if (!goes_on(of.sending, size, *done, of.driver)) {
            of.ec = ivshmem::errc::channel_reset;
            of.raise();
        }
        of.reserved.reset();
        const auto fill = [&](std::span<std::byte> into, std::size_t offset) {
            if (!into.empty())
                std::memcpy(into.data(), bytes.data() + offset, into.size());
        };
        const bool complete = of.driver.send_some(size, *done, fill, of.ec);
        of.sending = {size, complete ? 0 : *done, of.driver.session()};
        of.entangled = true;
        of.raise();
        return complete ? 0 : -EAGAIN;
    });
}

int ivshmem_channel_abandon(ivshmem_channel* channel) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        of.driver.abandon();
        of.sending = {};
    });
}

int ivshmem_channel_receive_some(ivshmem_channel* channel, void* buffer, size_t capacity,
                                 size_t* done) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto into = bytes_of(buffer, capacity);
        require(done);
        require(*done <= capacity, "ivshmem_channel_receive_some: done is beyond the buffer");
        if (!goes_on(of.receiving, 0, *done, of.driver))
            *done = 0;
        of.peeked = false;
        const auto copy = [&](std::size_t offset, std::span<const std::byte> part) {
            if (!part.empty())
                std::memcpy(into.data() + offset, part.data(), part.size());
        };
        const bool complete = of.driver.receive_some(capacity, *done, copy, of.ec);
        of.receiving = {0, complete ? 0 : *done, of.driver.session()};
        of.entangled = true;
        of.raise();
        if (!complete)
            return -EAGAIN;
        of.driver.settle();
        return 0;
    });
}

int ivshmem_channel_skip(ivshmem_channel* channel) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        of.driver.skip();
        of.receiving = {};
    });
}

int ivshmem_channel_gather(ivshmem_channel* channel, size_t* size) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        require(size);
        of.disentangle_receiving();
        const auto whole = of.driver.gather(of.ec);
        of.raise();
        if (!whole)
            return -EAGAIN;
        *size = *whole;
        return 0;
    });
}

} // extern "C"
