// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "probe.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace probe {

namespace {

using namespace std::chrono_literals;
using ivshmem::errc;

constexpr auto patience = 60s;

void expect(bool holds, const std::string& what) {
    if (!holds)
        throw std::runtime_error{what};
}

/// Rings itself on every vector and checks the interrupts.
void talk_to_itself(ivshmem::device& dev) {
    for (std::uint32_t vector = 0; vector < dev.capabilities().interrupts; ++vector) {
        dev.ring(dev.id(), vector);
        expect(dev.wait(vector, patience) >= 1, "vector was not rung");
    }
}

std::atomic<unsigned> caught{0};

/// Returns the number of open descriptors, without opening one; and the number of mappings.
unsigned descriptors_open() {
    unsigned count = 0;
    for (int fd = 0; fd < 1024; ++fd)
        if (::fcntl(fd, F_GETFD) >= 0)
            ++count;
    return count;
}

unsigned mappings() {
    unsigned count = 0;
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);)
        if (line.find("/dev/") != std::string::npos || line.find("/resource") != std::string::npos)
            ++count;
    return count;
}

} // namespace

void fork(ivshmem::device& dev, const words& /*args*/) {
    const pid_t child = ::fork();
    expect(child >= 0, "fork");
    if (child == 0) {
        std::error_code ec;
        dev.ring(dev.id(), 0, ec);
        report("child ring", ec);
        dev.take(0, ec);
        report("child take", ec);
        dev.wait(0, 1ms, ec);
        report("child wait", ec);
        static_cast<void>(dev.interrupt_fd(0, ec));
        report("child interrupt_fd", ec);
        if (dev.backend() == ivshmem::backend_kind::vfio) { // which one process at a time can hold
            static_cast<void>(ivshmem::device::open(to_string(dev.info()->address), ec));
            report("child open", ec);
        }
        dev.close(); // releases the child's copies only
        say("child closed: %d", static_cast<int>(!dev.is_open()));
        std::_Exit(0);
    }
    int status = 0;
    expect(::waitpid(child, &status, 0) == child && status == 0, "the child failed");
    expect(dev.take(0) == 0, "the child rang");
    talk_to_itself(dev);
    say("parent: ok");
}

void signals(ivshmem::device& dev, const words& args) {
    struct sigaction action {};
    action.sa_handler = [](int) {
        ++caught;
    };
    expect(::sigaction(SIGALRM, &action, nullptr) == 0, "sigaction"); // without SA_RESTART
    const std::string name = to_string(dev.info()->address);
    const itimerval often{{0, 1000}, {0, 1000}};
    expect(::setitimer(ITIMER_REAL, &often, nullptr) == 0, "setitimer");
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{number(args, 0, 1)};
    unsigned rounds = 0;
    for (; rounds < 3 || std::chrono::steady_clock::now() < end; ++rounds) {
        dev.close();
        dev = ivshmem::device::open(name);
        talk_to_itself(dev);
        std::error_code ec;
        dev.wait(0, 50ms, ec);
        expect(ec == errc::timed_out, "a wait ended with " + ec.message());
    }
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    expect(caught > rounds, "too few signals");
    say("rounds: %u", rounds);
}

void pair(ivshmem::device& dev, const words& args) {
    const std::string name = to_string(dev.info()->address);
    auto other = ivshmem::device::open(args.at(0));
    say("first: %s", dev.description().c_str());
    say("second: %s", other.description().c_str());
    std::error_code ec;
    static_cast<void>(ivshmem::device::open(name, ec));
    report("again", ec);
    talk_to_itself(dev); // is not affected
    talk_to_itself(other);
    dev.close();
    talk_to_itself(other); // the group outlives the first
    dev = ivshmem::device::open(name);
    talk_to_itself(dev);
    say("pair: ok");
}

void descriptors(ivshmem::device& dev, const words& /*args*/) {
    const std::string name = to_string(dev.info()->address);
    dev.close();
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t usual = limit.rlim_cur;
    const unsigned before = descriptors_open();
    expect(mappings() == 0, "a closed device left mappings");
    unsigned failures = 0;
    for (std::error_code ec; !dev.is_open(); ++failures) {
        limit.rlim_cur = before + failures;
        expect(limit.rlim_cur < usual && ::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
        dev = ivshmem::device::open(name, ec);
        const unsigned after = descriptors_open();
        limit.rlim_cur = usual;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        if (dev.is_open())
            break;
        const std::string step = "with " + std::to_string(failures) + " free descriptors: ";
        expect(ec == errc::descriptor_limit, step + ec.message());
        expect(after == before, step + std::to_string(after - before) + " are left open");
        expect(mappings() == 0, step + "a mapping is left");
    }
    talk_to_itself(dev);
    say("needed: %u", failures);
    say("mode: %s", std::string{to_string(dev.memory().mode())}.c_str());
}

} // namespace probe
