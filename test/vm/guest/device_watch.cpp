// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Watches devices, for tests that plug and unplug them: see the usage.

#include "probe.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include <poll.h>

namespace probe {

namespace {

namespace net = boost::asio;
using ivshmem::device_change;

constexpr const char* usage =
    R"(Usage: device-watch COMMAND [ARGUMENT]...
Reports the changes of ivshmem devices, for tests.

  follow              report each change until SIGTERM
  late                report the present devices, then nothing until SIGUSR1,
                      then the changes
  hold ADDRESS        open the device whenever it has a driver, wait for all
                      that can be waited for, use the memory when the removal
                      is requested, close; until SIGTERM
  lose ADDRESS MODE   map the memory in MODE, and read it after SIGUSR1
  keep ADDRESS        fill the memory, and check it after SIGUSR1

A change is "KIND ADDRESS DRIVER NODE".
)";

void tell_change(const device_change& change) {
    const auto& device = change.device;
    const auto& node = device.vfio_node ? device.vfio_node : device.uio_node;
    const bool usable = node && node->usable();
    const bool whole = device.resource0 && device.resource2;
    say("%s %s %s %s%s%s", std::string{to_string(change.type)}.c_str(),
        to_string(device.address).c_str(), device.driver.empty() ? "-" : device.driver.c_str(),
        node ? node->path.c_str() : "-", node && !usable ? " unusable" : "", whole ? "" : " half");
}

net::awaitable<void> follow() {
    ivshmem::asio::device_monitor monitor{co_await net::this_coro::executor,
                                          ivshmem::device_monitor::open()};
    say("following");
    for (;;)
        tell_change(co_await monitor.async_next(net::use_awaitable));
}

/// Prints the changes until none arrives for three seconds.
void tell_all(ivshmem::device_monitor& monitor) {
    for (;;) {
        while (const auto change = monitor.next())
            tell_change(*change);
        pollfd entry{monitor.fd(), POLLIN, 0};
        if (::poll(&entry, 1, 3000) == 0)
            return;
    }
}

void wait_for_signal(int number) {
    sigset_t set{};
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    say("asleep");
    int which = 0;
    sigwait(&set, &which);
}

void late() {
    auto monitor = ivshmem::device_monitor::open();
    tell_all(monitor);
    wait_for_signal(SIGUSR1);
    tell_all(monitor);
    say("done");
}

/// Touches every page.
void use_memory(ivshmem::device& dev) {
    constexpr std::size_t page = 4096;
    for (std::size_t at = 0; at < dev.memory().size(); at += page) {
        volatile std::byte& byte = dev.memory()[at];
        const std::byte value = byte;
        byte = value;
    }
    say("memory used");
}

/// Starts every kind of wait, and prints how each one ended.
struct waits {
    waits(net::io_context& io, ivshmem::device& dev) : events{io, dev}, any{io, dev} {
        for (std::uint32_t vector = 0; vector < dev.capabilities().interrupts; ++vector)
            vectors.emplace_back(io, dev, vector);
        next_event();
        any.async_wait([](boost::system::error_code ec, auto) { report("any vector", ec); });
        for (auto& vector : vectors)
            vector.async_wait([](boost::system::error_code ec, auto) { report("vector", ec); });
    }
    void next_event() {
        events.async_next([this](boost::system::error_code ec, ivshmem::event got) {
            if (ec)
                return report("events", ec);
            say("event: %s", std::string{to_string(got.type)}.c_str());
            next_event();
        });
    }

    ivshmem::asio::device_events events;
    ivshmem::asio::any_interrupt any;
    std::vector<ivshmem::asio::interrupt> vectors;
};

void hold(const words& args) {
    auto monitor = ivshmem::device_monitor::open();
    for (;;) {
        while (const auto change = monitor.next()) {
            tell_change(*change);
            if (change->type == device_change::kind::removed || change->device.driver.empty() ||
                to_string(change->device.address) != args.at(0))
                continue;
            std::error_code ec;
            auto dev = ivshmem::device::open(change->device.address, ec);
            report("open", ec);
            if (ec)
                continue;
            net::io_context io;
            waits all{io, dev};
            say("waiting, peer %u", unsigned{dev.id()});
            io.run();
            use_memory(dev);
            dev.close();
            say("closed");
        }
        pollfd entry{monitor.fd(), POLLIN, 0};
        ::poll(&entry, 1, -1);
    }
}

sigjmp_buf after_bus_error; // NOLINT: a handler can access nothing else

void lose(const words& args) {
    ivshmem::open_options how;
    for (const auto mode : {ivshmem::cache_mode::write_back, ivshmem::cache_mode::write_combining,
                            ivshmem::cache_mode::uncached})
        if (to_string(mode) == args.at(1))
            how.cache = mode;
    auto dev = ivshmem::device::open(args.at(0), how);
    dev.memory()[0] = std::byte{0x5a};
    say("memory: %02x", static_cast<unsigned>(dev.memory()[0]));
    wait_for_signal(SIGUSR1);
    struct sigaction action {};
    action.sa_handler = [](int) {
        siglongjmp(after_bus_error, 1);
    };
    sigaction(SIGBUS, &action, nullptr);
    if (sigsetjmp(after_bus_error, 1) == 0)
        say("memory: %02x", static_cast<unsigned>(dev.memory()[0]));
    else
        say("bus error");
    dev.close();
    say("closed");
}

/// Returns the value that keep() writes to the 64-bit word with this number.
std::uint64_t pattern(std::size_t word) {
    return (word + 1) * 0x9e3779b97f4a7c15U;
}

void keep(const words& args) {
    auto dev = ivshmem::device::open(args.at(0));
    auto* const data = reinterpret_cast<volatile std::uint64_t*>(dev.memory().data());
    const std::size_t count = dev.memory().size() / sizeof *data;
    for (std::size_t word = 0; word < count; ++word)
        data[word] = pattern(word);
    wait_for_signal(SIGUSR1);
    std::size_t wrong = 0;
    for (std::size_t word = 0; word < count; ++word)
        wrong += data[word] != pattern(word);
    say("%zu words, %zu wrong", count, wrong);
}

void run(const words& args) {
    const std::string_view command = args.empty() ? "" : std::string_view{args[0]};
    const words rest(args.empty() ? args.begin() : args.begin() + 1, args.end());
    if (command == "late" && rest.empty())
        return late();
    if (command == "hold" && rest.size() == 1)
        return hold(rest);
    if (command == "keep" && rest.size() == 1)
        return keep(rest);
    if (command == "lose" && rest.size() == 2)
        return lose(rest);
    if (command != "follow" || !rest.empty()) {
        std::fputs(usage, stderr);
        std::exit(2);
    }
    net::io_context io{1};
    net::signal_set signals{io, SIGTERM};
    signals.async_wait([&](auto, int) { io.stop(); });
    net::co_spawn(io, follow(), [](const std::exception_ptr& failed) {
        if (failed)
            std::rethrow_exception(failed);
    });
    io.run();
}

} // namespace

} // namespace probe

int main(int argc, char** argv) {
    try {
        probe::run({argv + 1, argv + argc});
        return 0;
    } catch (const std::system_error& e) {
        probe::say("error %s %d %s", e.code().category().name(), e.code().value(), e.what());
        return 3;
    } catch (const std::exception& e) {
        probe::say("failed: %s", e.what());
        return 1;
    }
}
