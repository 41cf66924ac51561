// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The side that is killed: messages_crash_peer send|receive|ask|offer SOCKET STEP. It kills itself
// at a step, counted from 1; 0: never. After each step it reports on stdout before it continues: "I
// incarnation", "R number" received, "A number" acknowledged, "BAD". With ask and offer it connects
// through the service "service", and then reports "A incarnation".

#include "crash.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include <unistd.h>

namespace net = boost::asio;
using namespace test::crash;

namespace {

unsigned long steps_left = 0;

void step() {
    if (steps_left != 0 && --steps_left == 0)
        ::kill(::getpid(), SIGKILL);
}

void report(char what, std::uint32_t number) {
    const std::string line = what + std::string{" "} + std::to_string(number) + "\n";
    if (::write(1, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        std::abort();
}

/// Buffers that count a step each time that a part of a message is copied.
template <typename Buffer>
struct stepping {
    using value_type = Buffer;

    [[nodiscard]] const Buffer* begin() const {
        step();
        return buffers.data();
    }
    [[nodiscard]] const Buffer* end() const { return buffers.data() + buffers.size(); }

    std::array<Buffer, 1> buffers;
};

net::awaitable<void> keep_sending(ivshmem::asio::channel& to, std::uint32_t incarnation) {
    for (head h{incarnation, 0};; ++h.number) {
        const std::string text = message(h);
        const stepping<net::const_buffer> buffers{{net::buffer(text)}};
        co_await to.async_send(buffers, net::use_awaitable);
        step();
        if (h.number % 4 != 0)
            continue;
        co_await to.async_drain(net::use_awaitable);
        report('A', h.number);
        step();
    }
}

net::awaitable<void> keep_receiving(ivshmem::asio::channel& from, std::uint32_t incarnation) {
    std::string into(8192, '\0');
    for (std::uint32_t number = 0;; ++number) {
        const std::size_t next = co_await from.async_wait(net::use_awaitable);
        step();
        std::error_code ec;
        const auto view = from.next_layer().peek(ec);
        if (view) {
            std::memcpy(into.data(), view->data(), view->size());
        } else {
            const stepping<net::mutable_buffer> buffers{{net::buffer(into)}};
            co_await from.async_receive(buffers, net::use_awaitable);
        }
        const head h = head_of(into);
        if (h.incarnation != incarnation || h.number != number || next != message(h).size())
            std::puts("BAD"), std::fflush(stdout);
        report('R', number);
        step();
        if (view) {
            from.next_layer().consume();
            step();
            ivshmem::channel_driver{from.next_layer()}.settle();
        }
        step();
    }
}

/// Connects by name, and sends nothing.
net::awaitable<void> meet(ivshmem::asio::slot& in, bool asks) {
    ivshmem::asio::channel met{in.get_executor()};
    std::optional<ivshmem::asio::acceptor> offered;
    // The only lane is in use until the other side notices that its former peer is gone.
    while (asks && !met.is_open()) {
        auto [ec, made] =
            co_await ivshmem::asio::async_connect(in, "service", net::as_tuple(net::use_awaitable));
        if (ec && ec != ivshmem::errc::lane_in_use)
            throw boost::system::system_error{ec};
        met = std::move(made);
    }
    if (!asks)
        met = co_await offered.emplace(in, "service").async_accept(net::use_awaitable);
    report('A', in.next_layer().incarnation());
    co_await keep_receiving(met, 0);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4)
        return 2;
    steps_left = std::strtoul(argv[3], nullptr, 10);
    net::io_context io;
    ivshmem::open_options options;
    options.vectors = 1;
    const auto device = ivshmem::device::open(ivshmem::selector::server(argv[2]), options);
    step();
    ivshmem::slot_options chosen;
    chosen.number = 1;
    chosen.geometry = geometry;
    ivshmem::asio::slot slot{io, device, chosen};
    const std::uint32_t incarnation = slot.next_layer().incarnation();
    report('I', incarnation);
    step();
    const auto ended = [](const std::exception_ptr& failed) {
        if (failed)
            std::rethrow_exception(failed);
    };
    ivshmem::asio::channel channel{io};
    const std::string role = argv[1];
    if (role == "send" || role == "receive") {
        channel = {slot, 0, 0};
        step();
        net::co_spawn(io,
                      role == "send" ? keep_sending(channel, incarnation)
                                     : keep_receiving(channel, incarnation),
                      ended);
    } else {
        net::co_spawn(io, meet(slot, role == "ask"), ended);
    }
    io.run();
}
