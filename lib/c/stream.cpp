// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/blocking.hpp"
#include "c/channel_object.hpp"
#include "c/failures.hpp"

#include <algorithm>
#include <cstring>

namespace ivshmem::capi {
namespace {

/// Reads what there is. @return Its size; an error only if that is 0.
std::size_t read_some(channel_object& of, std::span<std::byte> into) {
    if (of.read_session != of.driver.session()) {
        of.read_session = of.driver.session();
        of.bytes_read = 0;
    }
    std::size_t done = 0;
    while (done < into.size()) {
        const auto view = of.driver.peek_part(of.ec);
        if (!view)
            break;
        if (view->empty()) { // no stream sends these, and a peer could send them endlessly
            of.driver.reject(layout_violation::sequence);
            of.ec = errc::channel_poisoned;
            break;
        }
        // The front holds less than was read if a function of messages has received since.
        of.bytes_read = std::min(of.bytes_read, view->size());
        const auto rest = view->subspan(of.bytes_read);
        const std::size_t size = std::min(rest.size(), into.size() - done);
        std::memcpy(into.data() + done, rest.data(), size);
        done += size;
        of.bytes_read += size;
        if (of.bytes_read == view->size()) {
            of.channel.consume();
            of.bytes_read = 0;
        }
    }
    if (done != 0) {
        of.ec.clear();
        of.driver.settle();
    }
    return done;
}

/// Writes what there is room for. @return Its size; an error only if that is 0.
std::size_t write_some(channel_object& of, std::span<const std::byte> bytes) {
    // Small enough for the peer to read one part while the next is being written.
    std::size_t part = (of.channel.max_whole_message() + std::size_t{8}) / 4 - 8;
    if (of.channel.peer_max_message() != 0)
        part = std::min<std::size_t>(part, of.channel.peer_max_message());
    std::size_t done = 0;
    while (done < bytes.size()) {
        const auto to = of.channel.reserve(std::min(part, bytes.size() - done), of.ec);
        if (to.data() == nullptr)
            break;
        std::memcpy(to.data(), bytes.data() + done, to.size());
        of.channel.commit(to.size());
        of.channel.flush();
        done += to.size();
    }
    if (done != 0)
        of.ec.clear();
    return done;
}

/// @return Whether the error is the end of the stream, and clears it then.
bool at_end(channel_object& of) {
    if (of.ec != errc::channel_closed)
        return false;
    of.ec.clear();
    return true;
}

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_stream_try_read(ivshmem_channel* channel, void* buffer, size_t capacity, size_t* size) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto into = bytes_of(buffer, capacity);
        require(size);
        of.disentangle_receiving();
        const std::size_t done = read_some(of, into);
        const bool complete = done != 0 || into.empty() || at_end(of);
        of.raise();
        if (!complete)
            return -EAGAIN;
        *size = done;
        return 0;
    });
}

int ivshmem_stream_try_write(ivshmem_channel* channel, const void* bytes, size_t size,
                             size_t* written) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto from = bytes_of(bytes, size);
        require(written);
        of.disentangle_sending();
        const std::size_t done = write_some(of, from);
        of.raise();
        if (done == 0 && size != 0)
            return -EAGAIN;
        *written = done;
        return 0;
    });
}

int ivshmem_stream_read(ivshmem_channel* channel, void* buffer, size_t capacity, size_t* size,
                        int timeout_ms) {
    return guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto into = bytes_of(buffer, capacity);
        require(size);
        of.disentangle_receiving();
        std::size_t done = 0;
        until_done(of, ivshmem::channel_driver::for_data, timeout_ms, [&] {
            done = read_some(of, into);
            return done != 0 || into.empty() || at_end(of);
        });
        *size = done;
    });
}

int ivshmem_stream_write(ivshmem_channel* channel, const void* bytes, size_t size, size_t* written,
                         int timeout_ms) {
    std::size_t done = 0;
    const int result = guarded([&] {
        auto& of = use<channel_object>(channel);
        const auto from = bytes_of(bytes, size);
        of.disentangle_sending();
        until_done(of, ivshmem::channel_driver::for_room, timeout_ms, [&] {
            done += write_some(of, from.subspan(done));
            return done == size;
        });
    });
    if (written != nullptr)
        *written = done;
    return result;
}

} // extern "C"
