// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/channel_object.hpp"
#include "c/failures.hpp"

using namespace ivshmem::capi;

extern "C" {

int ivshmem_channel_try_send(ivshmem_channel* channel, const void* message, size_t size) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto bytes = bytes_of(message, size);
        if (of.entangled) [[unlikely]]
            of.disentangle_sending();
        if (of.channel.try_send(bytes, of.ec)) [[likely]]
            return 0;
        of.raise();
        return -EAGAIN;
    });
}

int ivshmem_channel_try_receive(ivshmem_channel* channel, void* buffer, size_t capacity,
                                size_t* size) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto into = bytes_of(buffer, capacity);
        require(size);
        if (of.entangled) [[unlikely]]
            of.disentangle_receiving();
        if (const auto received = of.channel.try_receive(into, of.ec)) [[likely]] {
            *size = *received;
            return 0;
        }
        if (of.ec == ivshmem::errc::buffer_too_small) {
            std::error_code ignored;
            *size = of.channel.next_size(ignored).value_or(0);
        }
        of.raise();
        return -EAGAIN;
    });
}

int ivshmem_channel_next_size(ivshmem_channel* channel, size_t* size) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        require(size);
        of.disentangle_receiving();
        const auto next = of.channel.next_size(of.ec);
        of.raise();
        if (!next)
            return -EAGAIN;
        *size = *next;
        return 0;
    });
}

int ivshmem_channel_try_drain(ivshmem_channel* channel) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const bool drained = of.channel.drained(of.ec);
        of.raise();
        return drained ? 0 : -EAGAIN;
    });
}

int ivshmem_channel_reserve(ivshmem_channel* channel, size_t size, void** room) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        require(room);
        of.disentangle_sending();
        const auto made = of.channel.reserve(size, of.ec);
        of.raise();
        if (made.data() == nullptr)
            return -EAGAIN;
        of.reserved = size;
        of.entangled = true;
        *room = made.data();
        return 0;
    });
}

int ivshmem_channel_commit(ivshmem_channel* channel, size_t size) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        require(of.reserved.has_value(), "ivshmem_channel_commit: nothing is reserved");
        require(size <= *of.reserved, "ivshmem_channel_commit: more than was reserved");
        of.disentangle_sending();
        of.channel.commit(size);
        of.channel.flush();
        of.driver.state_error(of.ec); // a channel that has ended drops the message
        of.raise();
    });
}

int ivshmem_channel_peek(ivshmem_channel* channel, const void** message, size_t* size) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        require(message);
        require(size);
        of.disentangle_receiving();
        const auto view = of.channel.peek(of.ec);
        of.raise();
        if (!view)
            return -EAGAIN;
        of.peeked = true;
        of.entangled = true;
        *message = view->data();
        *size = view->size();
        return 0;
    });
}

int ivshmem_channel_consume(ivshmem_channel* channel) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        require(of.peeked, "ivshmem_channel_consume: no message was peeked at");
        of.disentangle_receiving();
        of.channel.consume();
    });
}

} // extern "C"
