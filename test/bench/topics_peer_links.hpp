// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "transport.hpp"

#include <ivshmem/ivshmem.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/// The two ways of bench-topics-peer. Member 0 sends to all others, and receives from member 1;
/// the latter sends to it. receive() sleeps until a message is there, and returns false after a
/// time without one.
namespace bench {

/// The room for messages, in bytes: of a topic, and of a socket.
inline constexpr std::size_t link_bytes = std::size_t{2} << 20U;

class topic_link {
  public:
    topic_link(const std::string& device, unsigned number)
        : device_{ivshmem::device::open(device, {.vectors = 1})},
          slot_{ivshmem::slot::claim(
              device_, {.number = number, .geometry = ivshmem::region_geometry{3, 1, 1024}})},
          in_{ivshmem::topic_reader::open(slot_, number == 0 ? "back" : "there")} {
        if (number < 2)
            out_ = ivshmem::topic_writer::create(slot_, number == 0 ? "there" : "back",
                                                 {.size = link_bytes});
    }

    void send(std::span<const std::byte> message) { out_.publish(message); }
    bool receive(std::span<std::byte> into, std::chrono::milliseconds time) {
        const auto until = std::chrono::steady_clock::now() + time;
        while (!received(into)) {
            if (std::chrono::steady_clock::now() > until)
                return false;
            std::error_code ignored; // a ring is only a hint
            if (in_.arm())
                static_cast<void>(
                    device_.wait(0, std::min(time, std::chrono::milliseconds{100}), ignored));
            in_.disarm();
        }
        return true;
    }

  private:
    bool received(std::span<std::byte> into) {
        std::error_code ended;
        const auto view = in_.try_view(ended);
        return view && view->bytes.size() == into.size() && in_.copy_out(*view, into);
    }

    ivshmem::device device_;
    ivshmem::slot slot_;
    ivshmem::topic_reader in_;
    ivshmem::topic_writer out_;
};

/// Multicast, in a group for each direction. Messages that are larger than a frame of the network
/// are fragmented.
class udp_link {
  public:
    udp_link(const std::string& address, unsigned number)
        : socket_{must(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket")},
          there_{group(number == 0 ? "239.0.0.1" : "239.0.0.2")} {
        const sockaddr_in from = group(number == 0 ? "239.0.0.2" : "239.0.0.1");
        ip_mreq joins{};
        joins.imr_multiaddr = from.sin_addr;
        if (::inet_pton(AF_INET, address.c_str(), &joins.imr_interface) != 1)
            throw std::runtime_error{address + ": no IPv4 address"};
        const int bytes = link_bytes;
        set(SOL_SOCKET, SO_RCVBUFFORCE, bytes);
        set(IPPROTO_IP, IP_MULTICAST_IF, joins.imr_interface);
        must(::bind(socket_, reinterpret_cast<const sockaddr*>(&from), sizeof from), "bind");
        set(IPPROTO_IP, IP_ADD_MEMBERSHIP, joins);
    }
    udp_link(const udp_link&) = delete;
    udp_link& operator=(const udp_link&) = delete;
    ~udp_link() { ::close(socket_); }

    void send(std::span<const std::byte> message) {
        must(::sendto(socket_, message.data(), message.size(), 0,
                      reinterpret_cast<const sockaddr*>(&there_), sizeof there_),
             "sendto");
    }
    bool receive(std::span<std::byte> into, std::chrono::milliseconds time) {
        pollfd waits{.fd = socket_, .events = POLLIN, .revents = 0};
        for (;;) {
            // The first attempt finds a message in most cases, as that of a topic does.
            const auto got = ::recv(socket_, into.data(), into.size(), MSG_DONTWAIT);
            if (done_now(got, "recv"))
                return static_cast<std::size_t>(got) == into.size();
            if (must(::poll(&waits, 1, static_cast<int>(time.count())), "poll") == 0)
                return false;
        }
    }

  private:
    static sockaddr_in group(const char* address) {
        sockaddr_in made{};
        made.sin_family = AF_INET;
        made.sin_port = htons(4712);
        ::inet_pton(AF_INET, address, &made.sin_addr);
        return made;
    }
    template <class T>
    void set(int level, int name, const T& value) {
        must(::setsockopt(socket_, level, name, &value, sizeof value), "setsockopt");
    }

    int socket_;
    sockaddr_in there_;
};

} // namespace bench
