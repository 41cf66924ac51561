// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Performs one operation on a device, for tests that check the result.

#include "probe.hpp"

#include <array>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string_view>

#include <pthread.h>

namespace probe {

namespace {

constexpr const char* usage =
    R"(Usage: probe [-m MODE] [-b BACKEND] COMMAND DEVICE [ARGUMENT]...
Does one thing with an ivshmem device, for tests.

  info                         say what the device is
  hold                         info, and close after SIGTERM
  ring PEER VECTOR [COUNT]
  wait VECTOR SECONDS [COUNT]  say how often the vector was rung, COUNT times
  events [CLOSE]               wait for everything with Asio until the device is
                               removed; CLOSE 0: keep it open then
  fork                         use the device in a child, and then in the parent
  signals SECONDS              use the device while signals arrive
  descriptors                  open with ever so few descriptors, until it works
  pair DEVICE                  have two devices open at once

  -m MODE     insist on write-back, write-combining or uncached
  -b BACKEND  insist on vfio, uio or server

An error is "error CATEGORY NUMBER MESSAGE".
Exit codes: 0 done, 1 not as promised, 2 bad options, 3 an error of the library.
)";

void info(ivshmem::device& dev, const words& /*args*/) {
    const auto& can = dev.capabilities();
    say("backend: %s", std::string{to_string(dev.backend())}.c_str());
    say("description: %s", dev.description().c_str());
    say("id: %u", unsigned{dev.id()});
    say("vectors: %u", dev.vectors());
    say("interrupts: %u", can.interrupts);
    say("ring: %d", static_cast<int>(can.ring));
    say("removal-events: %d", static_cast<int>(can.removal_events));
    say("size: %zu", dev.memory().size());
    say("mode: %s", std::string{to_string(dev.memory().mode())}.c_str());
    say("reason: %s", dev.memory().reason().c_str());
}

void hold(ivshmem::device& dev, const words& args) {
    info(dev, args);
    sigset_t set{};
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    say("open");
    int which = 0;
    sigwait(&set, &which);
}

void ring(ivshmem::device& dev, const words& args) {
    const std::uint32_t count = number(args, 2, 1);
    for (std::uint32_t i = 0; i < count; ++i)
        dev.ring(number(args, 0, 0), number(args, 1, 0));
    say("rang %u", count);
}

struct command {
    std::string_view name;
    void (*run)(ivshmem::device&, const words&);
};

constexpr std::array commands{
    command{"info", info},       command{"hold", hold},     command{"ring", ring},
    command{"wait", wait},       command{"events", events}, command{"fork", fork},
    command{"signals", signals}, command{"pair", pair},     command{"descriptors", descriptors},
};

[[noreturn]] void bad_usage() {
    std::fputs(usage, stderr);
    std::exit(2);
}

ivshmem::open_options parse(words& args) {
    ivshmem::open_options how;
    while (args.size() >= 2 && args[0].starts_with('-')) {
        if (args[0] == "-b")
            how.backend = ivshmem::parse_backend(args[1]);
        else if (args[0] == "-m" && args[1] == "write-back")
            how.cache = ivshmem::cache_mode::write_back;
        else if (args[0] == "-m" && args[1] == "write-combining")
            how.cache = ivshmem::cache_mode::write_combining;
        else if (args[0] == "-m" && args[1] == "uncached")
            how.cache = ivshmem::cache_mode::uncached;
        else
            bad_usage();
        args.erase(args.begin(), args.begin() + 2);
    }
    if (args.size() < 2)
        bad_usage();
    return how;
}

} // namespace

int run(words args) {
    const auto how = parse(args);
    for (const auto& known : commands) {
        if (known.name != args[0])
            continue;
        auto dev = ivshmem::device::open(args[1], how);
        args.erase(args.begin(), args.begin() + 2);
        known.run(dev, args);
        return 0;
    }
    bad_usage();
}

} // namespace probe

int main(int argc, char** argv) {
    try {
        return probe::run({argv + 1, argv + argc});
    } catch (const std::system_error& e) {
        probe::say("error %s %d %s", e.code().category().name(), e.code().value(), e.what());
        return 3;
    } catch (const std::exception& e) {
        probe::say("failed: %s", e.what());
        return 1;
    }
}
