// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A slot on an event loop: claimed without blocking, moved from, and used by one thread at a time.

#include "helpers/catch.hpp"
#include "helpers/channel_meeting.hpp"
#include "helpers/deadline.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace test;
namespace net = boost::asio;
using boost::system::error_code;
using ivshmem::errc;
using ivshmem::asio::acceptor;
using ivshmem::asio::channel;
using ivshmem::asio::slot;

namespace {

ivshmem::slot_options of_two(std::optional<std::uint32_t> number = {}) {
    ivshmem::slot_options options;
    options.geometry = ivshmem::region_geometry{2, 1, 1024};
    options.number = number;
    return options;
}

struct claimed {
    std::optional<error_code> ec{};
    std::optional<slot> taken{};

    auto handler() {
        return [this](error_code result, slot made) {
            ec = result;
            taken.emplace(std::move(made));
        };
    }
};

} // namespace

TEST_CASE("slots are claimed without blocking, each a different one") {
    const deadline limit;
    meeting server;
    auto device = server.join(1);
    net::io_context io;
    std::array<claimed, 3> claims;
    for (auto& c : claims) {
        ivshmem::asio::async_claim_free(io, device, of_two(), c.handler());
        CHECK_FALSE(c.ec.has_value());
    }
    while (!claims[0].ec || !claims[1].ec || !claims[2].ec)
        REQUIRE(io.run_one_for(std::chrono::seconds{10}) == 1);
    int open = 0;
    for (auto& c : claims) {
        CHECK(c.taken->is_open() == !*c.ec);
        CHECK((!*c.ec || *c.ec == errc::no_free_slot));
        open += c.taken->is_open() ? 1 : 0;
        c.taken->close();
    }
    CHECK(open == 2);
    io.restart();
    io.run(); // no work is left
}

TEST_CASE("a claim that fails or is cancelled leaves a closed slot") {
    const deadline limit;
    meeting server;
    auto device = server.join(1);
    net::io_context io;
    claimed c;
    SECTION("closed device") {
        device.close();
        ivshmem::asio::async_claim(io, device, of_two(0), c.handler());
        CHECK_FALSE(c.ec.has_value());
        io.run();
        CHECK(*c.ec == errc::closed);
    }
    SECTION("nonexistent slot") {
        ivshmem::asio::async_claim(io, device, of_two(2), c.handler());
        io.run();
        CHECK(*c.ec == errc::slot_out_of_range);
    }
    SECTION("cancellation") {
        net::cancellation_signal signal;
        ivshmem::asio::async_claim(io, device, of_two(0),
                                   net::bind_cancellation_slot(signal.slot(), c.handler()));
        io.poll();
        signal.emit(net::cancellation_type::total);
        io.run();
        CHECK(*c.ec == net::error::operation_aborted);
    }
    CHECK_FALSE(c.taken->is_open());
}

TEST_CASE("a claim that is under way when the event loop ends holds no slot") {
    meeting server;
    const auto device = server.join(1);
    {
        net::io_context io;
        ivshmem::asio::async_claim(io, device, of_two(0), [](error_code, const slot&) { FAIL(); });
        io.poll();
    }
    CHECK(ivshmem::slot::claim_free(device, of_two()).number() == 0);
}

TEST_CASE("a moved-from slot keeps its executor, and fails all operations") {
    const deadline limit;
    meeting server;
    const auto device = server.join(1);
    net::io_context io;
    slot from{io, device, of_two(0)};
    slot to{std::move(from)};
    CHECK(to.is_open());
    // NOLINTBEGIN: its moved-from state is tested
    CHECK_FALSE(from.is_open());
    CHECK(from.get_executor() == io.get_executor());
    CHECK_THROWS_AS((channel{from, 1, 0}), ivshmem::error);
    CHECK_THROWS_AS((acceptor{from, "name"}), ivshmem::error);
    std::optional<error_code> connected;
    ivshmem::asio::async_connect(from, "name",
                                 [&](error_code ec, const channel&) { connected = ec; });
    from.close();
    // NOLINTEND
    to.close();
    io.run();
    CHECK(*connected == errc::closed);
}

TEST_CASE("operations of a closed slot complete, and nothing can be opened there") {
    const deadline limit;
    meeting server;
    const auto device = server.join(1);
    net::io_context io;
    slot closed{io, device, of_two(0)};
    acceptor offered{closed, "name"};
    std::vector<error_code> ended;
    const auto note = [&](error_code ec, const channel&) {
        ended.push_back(ec);
    };
    offered.async_accept(note);
    ivshmem::asio::async_connect(closed, "other", note);
    SECTION("before they wait") {}
    SECTION("while they wait") {
        io.poll();
        REQUIRE(ended.empty());
    }
    closed.close();
    offered.async_accept(note);
    ivshmem::asio::async_connect(closed, "other", note);
    io.restart();
    io.run();
    CHECK(ended.size() == 4);
    for (const auto& ec : ended)
        CHECK(ec == errc::closed);
    CHECK_THROWS_AS((channel{closed, 1, 0}), ivshmem::error);
    CHECK_THROWS_AS((acceptor{closed, "name"}), ivshmem::error);
}

#ifndef NDEBUG
namespace {

/// Stays inside the slot until another thread has tried to enter it.
class dawdler : public ivshmem::asio::detail::hub_member {
  public:
    explicit dawdler(std::atomic<bool>& inside) : inside_{inside} {}
    bool look() override {
        inside_ = true;
        for (;;)
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    [[nodiscard]] bool waiting() const override { return true; }
    void fail(const error_code&) override {}

  private:
    std::atomic<bool>& inside_;
};

[[noreturn]] void use_from_two_threads(meeting& server) {
    const auto device = server.join(1);
    net::io_context io;
    slot in{io, device, of_two(0)};
    channel to{in, 1, 0};
    std::atomic<bool> inside{false};
    dawdler slow{inside};
    in.hub()->add(slow);
    in.hub()->expect();
    std::thread other{[&] {
        io.run();
    }};
    while (!inside)
        std::this_thread::yield();
    to.async_send(net::buffer("x", 1), [](error_code, std::size_t) {});
    ::_exit(0);
}

} // namespace

TEST_CASE("a program that enters a slot from two threads at once aborts with a message") {
    const deadline limit;
    meeting server;
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL); // not Catch2's handler
        ::dup2(pipe[1], STDERR_FILENO);
        use_from_two_threads(server);
    }
    ::close(pipe[1]);
    std::string text(1000, '\0');
    text.resize(
        static_cast<std::size_t>(std::max<ssize_t>(0, ::read(pipe[0], text.data(), text.size()))));
    ::close(pipe[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(text.find("give the slot a strand") != std::string::npos);
}
#endif
