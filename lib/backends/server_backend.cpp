// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/server_backend.hpp"

#include "backends/server_connection.hpp"
#include "base/deadline.hpp"
#include "base/wait_fds.hpp"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

namespace ivshmem {

namespace {

using clock = std::chrono::steady_clock;

/// The number of messages that are read at once, so that a server that never stops sending cannot
/// block a caller.
constexpr int most_messages_at_once = 4096;

} // namespace

server_backend::server_backend(std::string path) : path_{std::move(path)} {
    facts_.kind = backend_kind::server;
    facts_.name = path_;
    facts_.description = "server " + path_;
    facts_.capabilities.ring = true;
    facts_.capabilities.peer_events = true;
}

std::unique_ptr<backend> server_backend::open(const std::string& path, const open_options& options,
                                              failure& f) {
    std::unique_ptr<server_backend> opened{new server_backend{path}};
    const auto deadline = deadline_after(options.timeout);
    opened->socket_ = connect_to_server(path, deadline, f);
    if (!f)
        opened->join(options, deadline, f);
    if (f)
        return nullptr;
    return opened;
}

std::uint32_t server_backend::vectors_of_others() const {
    std::size_t most = 0;
    for (const auto& [id, vectors] : peers_)
        most = std::max(most, vectors.size());
    return static_cast<std::uint32_t>(most);
}

void server_backend::read_socket() {
    for (int i = 0; i < most_messages_at_once && !end_; ++i) {
        auto message = receiver_.next(socket_.get(), path_.c_str(), end_);
        if (!message)
            break;
        handle(std::move(*message), end_);
    }
    if (end_ && socket_) {
        socket_.reset(); // an epoll descriptor drops closed descriptors
        queue_.push_back({event::kind::server_gone, 0});
    }
    update_pending();
}

void server_backend::handle(server_protocol::message message, failure& f) {
    if (message.value < 0 || message.value > server_protocol::max_id)
        return f.set(errc::server_protocol, "{}: the server sent {} when a peer's id was due",
                     path_, message.value);
    const auto id = static_cast<std::uint16_t>(message.value);
    if (message.fd)
        add_vector(id, std::move(message.fd), f);
    else
        remove_peer(id, f);
}

void server_backend::add_vector(std::uint16_t id, unique_fd fd, failure& f) {
    if (!is_eventfd(fd.get()))
        return f.set(errc::server_protocol,
                     "{}: the server sent a vector of peer {} that is no eventfd", path_, id);
    // Other clients share it: neither ringing nor taking may block this process.
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 ||
        ((flags & O_NONBLOCK) == 0 && ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0))
        return f.set_errno(errno, "{}: vector of peer {}: fcntl", path_, id);
    if (id == facts_.id) {
        if (!joined_) // vectors that arrive after open_options::settle are not used
            own_.push_back(std::move(fd));
        return;
    }
    auto& vectors = peers_[id];
    vectors.push_back(std::move(fd));
    if (joined_ && vectors.size() == vectors_.size())
        announce({event::kind::peer_joined, id});
}

void server_backend::remove_peer(std::uint16_t id, failure& f) {
    const auto peer = peers_.find(id);
    if (peer == peers_.end())
        return f.set(errc::server_protocol,
                     "{}: the server says that peer {} left, which was not "
                     "there",
                     path_, id);
    const bool known = peer->second.size() >= vectors_.size();
    peers_.erase(peer);
    left_[id] = ++departures_;
    has_departed_ = departed_ && signal_eventfd(departed_.get());
    if (joined_ && known)
        announce({event::kind::peer_left, id});
}

void server_backend::announce(event what) {
    // A join and leave that were both pending are dropped together, which bounds the queue.
    const event joined{event::kind::peer_joined, what.peer};
    const auto unseen = std::find(queue_.begin(), queue_.end(), joined);
    if (what.type == event::kind::peer_left && unseen != queue_.end())
        queue_.erase(unseen);
    else
        queue_.push_back(what);
}

void server_backend::update_pending() {
    if (!queue_.empty() || end_)
        signal_eventfd(pending_.get());
    else
        take_eventfd(pending_.get());
}

void server_backend::ring(std::uint16_t peer, std::uint16_t vector, failure& f) {
    const std::lock_guard lock{mutex_};
    const auto find = [&]() -> const unique_fd* {
        if (peer == facts_.id)
            return vector < vectors_.size() ? &vectors_[vector] : nullptr;
        const auto entry = peers_.find(peer);
        return entry != peers_.end() && vector < entry->second.size() ? &entry->second[vector]
                                                                      : nullptr;
    };
    const unique_fd* doorbell = find();
    if (doorbell == nullptr && !end_) {
        read_socket();
        doorbell = find();
    }
    // A ring to an absent peer has no effect, as on the device.
    if (doorbell != nullptr && !doorbells_.signal(doorbell->get()))
        f.set_errno(errno, "{}: ringing vector {} of peer {}", path_, vector, peer);
}

int server_backend::rings_fd(std::uint32_t vector) const {
    return vectors_[vector].get();
}

std::uint64_t server_backend::take(std::uint32_t vector, failure& /*f*/) {
    const std::uint64_t count = take_eventfd(vectors_[vector].get());
    if (count == 0) { // woken by the server?
        const std::lock_guard lock{mutex_};
        // Before reading: a thread that reads a departure leaves the signal for those that wait.
        if (std::exchange(has_departed_, false))
            take_eventfd(departed_.get());
        if (!end_)
            read_socket();
    }
    return count;
}

std::optional<event> server_backend::next_event(failure& f) {
    const std::lock_guard lock{mutex_};
    if (queue_.empty() && !end_)
        read_socket();
    if (queue_.empty()) {
        f = end_;
        return std::nullopt;
    }
    const event first = queue_.front();
    queue_.pop_front();
    update_pending();
    return first;
}

bool server_backend::has_left(std::uint16_t id) {
    const std::lock_guard lock{mutex_};
    if (!end_)
        read_socket();
    return left_.contains(id) && !peers_.contains(id);
}

departure server_backend::last_departure(std::uint16_t id) const {
    const std::lock_guard lock{mutex_};
    const auto left = left_.find(id);
    return left == left_.end() ? departure{} : departure{left->second, peers_.contains(id)};
}

void server_backend::attend() {
    const std::lock_guard lock{mutex_};
    if (!end_)
        read_socket();
}

std::vector<std::uint16_t> server_backend::peers(failure& /*f*/) {
    const std::lock_guard lock{mutex_};
    if (!end_)
        read_socket();
    std::vector<std::uint16_t> ids;
    for (const auto& [id, vectors] : peers_)
        ids.push_back(id);
    return ids;
}

} // namespace ivshmem
