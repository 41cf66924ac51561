// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Send several requests to another VM at once. Each answer has the id of its request, so that quick
// answers overtake slow ones. A request that takes too long is abandoned.
//
//     request-response DEVICE SLOT server
//     request-response DEVICE SLOT client
//
// On the host, with an ivshmem-server that listens at PATH, two processes:
//
//     ./request-response server:PATH 0 server
//     ./request-response server:PATH 1 client
//
// In two guests, or in a guest and on the host, with the address that lsivshmem prints:
//
//     ./request-response 0000:00:04.0 0 server
//     ./request-response 0000:00:04.0 1 client

#include "on_slot.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace net = boost::asio;
using namespace std::chrono_literals;
constexpr auto with_error = net::as_tuple(net::use_awaitable);

namespace {

enum class operation : std::uint32_t { add, multiply, wait_milliseconds };

struct request {
    std::uint32_t id;
    operation what;
    std::int64_t a;
    std::int64_t b;
};
struct response {
    std::uint32_t id;
    std::uint32_t understood;
    std::int64_t value;
};

net::awaitable<void> answer(std::shared_ptr<ivshmem::asio::channel> channel, request r) {
    response result{r.id, 0, 0};
    switch (r.what) { // a client may send any number
    case operation::add:
        result.understood = !__builtin_add_overflow(r.a, r.b, &result.value);
        break;
    case operation::multiply:
        result.understood = !__builtin_mul_overflow(r.a, r.b, &result.value);
        break;
    case operation::wait_milliseconds:
        if (r.a < 0 || r.a > 3'600'000)
            break;
        net::steady_timer timer{co_await net::this_coro::executor, std::chrono::milliseconds{r.a}};
        co_await timer.async_wait(net::use_awaitable);
        result = {r.id, 1, r.a};
        break;
    }
    co_await channel->async_send(net::buffer(&result, sizeof result), with_error);
}

net::awaitable<void> answer_all(ivshmem::asio::channel accepted) {
    const auto channel = std::make_shared<ivshmem::asio::channel>(std::move(accepted));
    for (;;) {
        request r{};
        const auto [ec, size] =
            co_await channel->async_receive(net::buffer(&r, sizeof r), with_error);
        if (ec || size != sizeof r)
            co_return channel->close(); // the peer is gone, or not a client of this service
        net::co_spawn(channel->get_executor(), answer(channel, r), net::detached);
    }
}

net::awaitable<void> serve(ivshmem::asio::slot& slot) {
    ivshmem::asio::acceptor acceptor{slot, "request-response", {.max_message = sizeof(request)}};
    std::cout << "answering in slot " << slot.number() << std::endl;
    for (;;)
        net::co_spawn(slot.get_executor(),
                      answer_all(co_await acceptor.async_accept(net::use_awaitable)),
                      net::detached);
}

/// The pending requests of a channel.
class caller {
  public:
    explicit caller(ivshmem::asio::channel channel) : channel_{std::move(channel)} {}

    /// @return The answer; nothing if none arrives in time.
    net::awaitable<std::optional<response>> call(request r, std::chrono::milliseconds patience) {
        r.id = ++last_id_;
        const auto here =
            waiting_.emplace(r.id, waiting{{channel_.get_executor(), patience}, {}}).first;
        co_await channel_.async_send(net::buffer(&r, sizeof r), net::use_awaitable);
        co_await here->second.timer.async_wait(with_error); // until the answer cancels it
        const auto answer = here->second.answer;
        waiting_.erase(here);
        co_return answer;
    }
    /// Passes the answers to the waiting requests, until the channel ends.
    net::awaitable<boost::system::error_code> receive_answers() {
        for (;;) {
            response r{};
            const auto [ec, size] =
                co_await channel_.async_receive(net::buffer(&r, sizeof r), with_error);
            if (ec)
                co_return ec;
            const auto found = waiting_.find(r.id);
            if (found == waiting_.end() || size != sizeof r)
                continue; // too late
            found->second.answer = r;
            found->second.timer.cancel();
        }
    }

  private:
    struct waiting {
        net::steady_timer timer;
        std::optional<response> answer;
    };

    ivshmem::asio::channel channel_;
    std::map<std::uint32_t, waiting> waiting_;
    std::uint32_t last_id_ = 0;
};

net::awaitable<void> ask(caller& c, std::string name, request r) {
    const auto answer = co_await c.call(r, 2s);
    if (!answer)
        std::cout << name << ": no answer in time" << std::endl;
    else if (answer->understood == 0)
        std::cout << name << ": not understood" << std::endl;
    else
        std::cout << name << ": " << answer->value << std::endl;
}

net::awaitable<void> ask_all(ivshmem::asio::slot& slot) {
    using namespace net::experimental::awaitable_operators;
    caller c{co_await ivshmem::asio::async_connect(slot, "request-response", net::use_awaitable)};
    const auto first =
        co_await ((ask(c, "wait for an hour", {0, operation::wait_milliseconds, 3'600'000, 0}) &&
                   ask(c, "wait for half a second", {0, operation::wait_milliseconds, 500, 0}) &&
                   ask(c, "2 + 40", {0, operation::add, 2, 40}) &&
                   ask(c, "6 * 7", {0, operation::multiply, 6, 7}) &&
                   ask(c, "operation 99", {0, operation{99}, 0, 0})) ||
                  c.receive_answers());
    if (first.index() == 1)
        throw boost::system::system_error{std::get<1>(first)};
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 4 ? argv[3] : "";
    if (what != "server" && what != "client") {
        std::cerr << "usage: request-response DEVICE SLOT server|client\n";
        return 2;
    }
    try {
        run_on_slot(argv[1], argv[2], what == "server" ? serve : ask_all);
    } catch (const std::exception& e) {
        std::cerr << "request-response: " << e.what() << '\n';
        return 1;
    }
}
