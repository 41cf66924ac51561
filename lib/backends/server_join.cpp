// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/other_protocol.hpp"
#include "backends/server_backend.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

// The begin of a connection to a server.

namespace ivshmem {

namespace {

using clock = std::chrono::steady_clock;

int milliseconds_until(clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

} // namespace

void server_backend::join(const open_options& options, clock::time_point deadline, failure& f) {
    enum class step { version, id, memory, vectors } next = step::version;
    const auto settle = std::min<std::chrono::milliseconds>(options.settle, std::chrono::hours{24});
    auto silent_since = clock::now();

    while (true) {
        if (next == step::vectors && !own_.empty()) {
            const std::uint32_t expected =
                options.vectors != 0 ? options.vectors : vectors_of_others();
            if (expected != 0 && own_.size() >= expected)
                break;
            if (expected == 0 && clock::now() - silent_since >= settle)
                break;
        }
        // Fails even if messages keep arriving: the greeting must end in time.
        if (clock::now() >= deadline)
            return f.set(errc::timed_out,
                         "{}: the ivshmem server sent no whole greeting within {} ms ({}); is it "
                         "an ivshmem server, and is it running?",
                         path_, options.timeout.count(),
                         next == step::version
                             ? std::string{"nothing yet: a socket of ivshmem-device is for a VM, "
                                           "not for a process"}
                         : next != step::vectors ? std::string{"no shared memory yet"}
                                                 : formatted("{} vectors so far", own_.size()));
        auto message = receiver_.next(socket_.get(), path_.c_str(), f);
        if (f)
            return;
        if (!message) {
            auto until = deadline;
            if (!own_.empty() && options.vectors == 0 && vectors_of_others() == 0)
                until = std::min(until, silent_since + settle);
            pollfd entry{socket_.get(), POLLIN, 0};
            retry_eintr([&] { return ::poll(&entry, 1, milliseconds_until(until)); });
            continue;
        }
        silent_since = clock::now();
        const bool has_fd = static_cast<bool>(message->fd);
        switch (next) {
        case step::version:
            if (message->value != server_protocol::version || has_fd)
                return refuse_version(*message, settle, f);
            next = step::id;
            break;
        case step::id:
            if (message->value == server_protocol::shared_memory && has_fd) // 0 was its first id
                return set_other_protocol(other_protocol({}, message), f);
            if (message->value < 0 || message->value > server_protocol::max_id || has_fd)
                return f.set(errc::server_protocol,
                             "{}: the server gave the id {}{}, which is "
                             "none",
                             path_, message->value, has_fd ? " with a descriptor" : "");
            facts_.id = static_cast<std::uint16_t>(message->value);
            next = step::memory;
            break;
        case step::memory:
            if (message->value != server_protocol::shared_memory || !has_fd)
                return f.set(errc::server_protocol,
                             "{}: the server sent {} {} a descriptor when the shared memory was "
                             "due",
                             path_, message->value, has_fd ? "with" : "without");
            map_memory(std::move(message->fd), options, f);
            next = step::vectors;
            break;
        case step::vectors:
            handle(std::move(*message), f);
            break;
        }
        if (f)
            return;
    }
    joined_ = true;
    facts_.vectors = static_cast<std::uint32_t>(own_.size());
    facts_.capabilities.interrupts = facts_.vectors;
    vectors_ = std::exchange(own_, {});
    departed_ = make_eventfd(path_, f);
    if (f)
        return;
    attention_ = make_epoll(path_, std::array{socket_.get(), departed_.get()}, f);
    if (f)
        return;
    pending_ = make_eventfd(path_, f);
    if (f)
        return;
    const std::array both{socket_.get(), pending_.get()};
    events_fd_ = make_epoll(path_, both, f);
}

void server_backend::set_other_protocol(const std::string& what, failure& f) const {
    f.set(errc::server_version, "{}: no ivshmem server of protocol {}: {}", path_,
          server_protocol::version, what);
}

void server_backend::refuse_version(const server_protocol::message& first,
                                    std::chrono::milliseconds settle, failure& f) {
    // An old server sends a client's id first. Only the next message distinguishes it from a
    // version.
    std::optional<server_protocol::message> second;
    if (first.value > 0 && first.value <= server_protocol::max_id && !first.fd) {
        pollfd entry{socket_.get(), POLLIN, 0};
        retry_eintr([&] { return ::poll(&entry, 1, milliseconds_until(clock::now() + settle)); });
        failure none;
        second = receiver_.next(socket_.get(), path_.c_str(), none);
    }
    set_other_protocol(other_protocol(first, second), f);
}

void server_backend::map_memory(unique_fd fd, const open_options& options, failure& f) {
    // Before the size: that of sealed memory does not shrink any more.
    const int seals = ::fcntl(fd.get(), F_GET_SEALS);
    const bool sealed = seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0)
        return f.set_errno(errno, "{}: shared memory: fstat", path_);
    if (!S_ISREG(status.st_mode) || status.st_size <= 0)
        return f.set(errc::server_protocol,
                     "{}: the server sent shared memory that is no file with bytes in it", path_);
    if (!sealed && !options.trust_server)
        return f.set(errc::memory_unsealed,
                     "{}: the memory of the server is not sealed: any process that has it can "
                     "shrink it, which would end this process with SIGBUS; let ivshmem-server "
                     "make it (without -m and -M), or, if you trust the server and all its "
                     "clients, set open_options::trust_server (ivshmemctl --trust-server)",
                     path_);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const auto part = options.part.value_or(memory_region{0, size});
    if (part.offset > size || part.size > size - part.offset || part.size == 0)
        return f.set(
            std::make_error_code(std::errc::invalid_argument),
            formatted("{}: open_options::part: {} bytes from {:#x} on are no part of the {} "
                      "bytes of shared memory",
                      path_, part.size, part.offset, size));
    map_ = mapping{fd.get(), static_cast<std::size_t>(size), 0};
    if (!map_)
        return f.set_errno(errno, "{}: shared memory of {} bytes: mmap", path_, size);
    facts_.memory = {map_.bytes().subspan(part.offset, part.size), cache_mode::write_back,
                     sealed ? "write-back: memory of this host, sealed against shrinking"
                            : "write-back: memory of this host; a peer could shrink it, which "
                              "would end this process when it touches the lost pages"};
    memory_ = std::move(fd);
}

} // namespace ivshmem
