// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The side of messages_crash that gets killed: messages_crash_peer send|receive SOCKET STEP.
// It kills itself at a step, counted from 1, unless that is 0. On stdout it tells what it did
// before it goes on: "I incarnation", "R number" received, "A number" acknowledged, "BAD".

#include "messages_crash.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
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

void tell(char what, std::uint32_t number) {
    const std::string line = what + std::string{" "} + std::to_string(number) + "\n";
    if (::write(1, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        std::abort();
}

/// Buffers that take a step each time when a part of a message is copied.
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
        tell('A', h.number);
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
        tell('R', number);
        step();
        if (view) {
            from.next_layer().consume();
            step();
            from.next_layer().settle();
        }
        step();
    }
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
    const ivshmem::asio::slot slot{io, device, chosen};
    const std::uint32_t incarnation = slot.next_layer().incarnation();
    tell('I', incarnation);
    step();
    ivshmem::asio::channel channel{slot, 0, 0};
    step();
    const auto role = argv[1][0] == 's' ? keep_sending : keep_receiving;
    net::co_spawn(io, role(channel, incarnation), [](const std::exception_ptr& failed) {
        if (failed)
            std::rethrow_exception(failed);
    });
    io.run();
}
