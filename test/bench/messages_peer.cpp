// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// One side of a conversation between two VMs, over a channel or over TCP, by the same code:
//     bench-messages-peer channel DEVICE first|second  roundtrip|throughput SIZE COUNT
//     bench-messages-peer tcp ADDRESS    first|second  roundtrip|throughput SIZE COUNT
// `second` holds slot 1, or listens on ADDRESS. `first` prints nanoseconds of a round trip, or
// messages per second and how many doorbells each message took.

#include "doorbell_meeting.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace net = boost::asio;
using net::awaitable;
using net::use_awaitable;
using net::ip::tcp;

struct game {
    bool first;
    bool roundtrip;
    std::size_t size;
    std::uint64_t count;
};

class channel_link {
  public:
    channel_link(net::io_context& context, const std::string& device, bool first)
        : device_{ivshmem::device::open(device)}, slot_{context,
                                                        device_,
                                                        {.number = first ? 0 : 1,
                                                         .geometry =
                                                             ivshmem::region_geometry{2, 1, ring}}},
          channel_{slot_, first ? 1U : 0U, 0} {}

    awaitable<void> open() { return channel_.async_connect(use_awaitable); }
    awaitable<void> send(const std::vector<char>& message) {
        co_await channel_.async_send(net::buffer(message), use_awaitable);
    }
    awaitable<void> receive(std::vector<char>& message) {
        co_await channel_.async_receive(net::buffer(message), use_awaitable);
    }
    awaitable<void> close() {
        co_await channel_.async_drain(use_awaitable);
        std::printf("doorbells %llu\n",
                    static_cast<unsigned long long>(
                        ivshmem::channel_driver{channel_.next_layer()}.rings()));
        channel_.close();
        slot_.close();
    }

  private:
    static constexpr std::uint32_t ring = 1U << 20U;

    ivshmem::device device_;
    ivshmem::asio::slot slot_;
    ivshmem::asio::channel channel_;
};

class tcp_link {
  public:
    tcp_link(net::io_context& context, const std::string& address, bool first)
        : socket_{context}, address_{net::ip::make_address(address), 4711}, first_{first} {}

    awaitable<void> open() {
        if (!first_) {
            tcp::acceptor acceptor{socket_.get_executor(), address_};
            socket_ = co_await acceptor.async_accept(use_awaitable);
        }
        for (int tries = 0; first_ && !socket_.is_open(); ++tries) {
            boost::system::error_code ec;
            co_await socket_.async_connect(address_, net::redirect_error(use_awaitable, ec));
            if (!ec)
                break;
            if (tries == 100)
                throw boost::system::system_error{ec, "connect"};
            socket_.close();
            net::steady_timer timer{socket_.get_executor(), std::chrono::milliseconds{100}};
            co_await timer.async_wait(use_awaitable);
        }
        socket_.set_option(tcp::no_delay{true});
    }
    awaitable<void> send(const std::vector<char>& message) {
        co_await net::async_write(socket_, net::buffer(message), use_awaitable);
    }
    awaitable<void> receive(std::vector<char>& message) {
        co_await net::async_read(socket_, net::buffer(message), use_awaitable);
    }
    awaitable<void> close() {
        socket_.shutdown(tcp::socket::shutdown_send);
        co_return;
    }

  private:
    tcp::socket socket_;
    tcp::endpoint address_;
    bool first_;
};

template <typename Link>
awaitable<void> round_trip(Link& link, const game& g, std::vector<char>& message) {
    round_trips times{g.count};
    for (std::uint64_t i = 0; i < g.count; ++i) {
        const auto start = round_trips::clock::now();
        if (g.first)
            co_await link.send(message);
        co_await link.receive(message);
        if (!g.first)
            co_await link.send(message);
        times.add(start);
    }
    if (g.first)
        times.print();
}

template <typename Link>
awaitable<void> one_way(Link& link, const game& g, std::vector<char>& message) {
    const auto start = round_trips::clock::now();
    for (std::uint64_t i = 0; i < g.count; ++i) {
        if (g.first)
            co_await link.send(message);
        else
            co_await link.receive(message);
    }
    std::vector<char> all(1); // was received, says the second
    if (g.first)
        co_await link.receive(all);
    else
        co_await link.send(all);
    const std::chrono::duration<double> took = round_trips::clock::now() - start;
    if (g.first)
        std::printf("messages %.0f per second\n", double(g.count) / took.count());
}

template <typename Link>
int play(const std::string& where, const game& g) {
    net::io_context context{1};
    Link link{context, where, g.first};
    std::exception_ptr failed;
    net::co_spawn(
        context,
        [&]() -> awaitable<void> {
            std::vector<char> message(g.size);
            co_await link.open();
            if (g.roundtrip)
                co_await round_trip(link, g, message);
            else
                co_await one_way(link, g, message);
            co_await link.close();
        },
        [&](std::exception_ptr error) {
            failed = std::move(error);
            context.stop();
        });
    context.run();
    if (failed)
        std::rethrow_exception(failed);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 7) {
        std::fprintf(stderr, "usage: bench-messages-peer channel|tcp WHERE first|second "
                             "roundtrip|throughput SIZE COUNT\n");
        return 64;
    }
    const std::string_view how = argv[1];
    const game g{argv[3] == std::string_view{"first"}, argv[4] == std::string_view{"roundtrip"},
                 std::strtoull(argv[5], nullptr, 10), std::strtoull(argv[6], nullptr, 10)};
    try {
        return how == "tcp" ? play<tcp_link>(argv[2], g) : play<channel_link>(argv[2], g);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench-messages-peer: %s\n", error.what());
        return 1;
    }
}
