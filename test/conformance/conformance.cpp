// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The requirements on every device, with any backend; runs on the host and in guests. A plain
// program, so that a guest needs only the library.

#include "alone.hpp"
#include "options.hpp"
#include "peers.hpp"
#include "report.hpp"

#include <ivshmem/device.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include <getopt.h>

namespace {

constexpr const char* usage =
    R"(Usage: conformance DEVICE [OPTION]...
Checks that an ivshmem device does what the library promises. DEVICE is a
selector: a PCI address, any, server:PATH, ...

Alone (no --role) the device is rung by itself, and THE WHOLE MEMORY IS
OVERWRITTEN. With a role, as many parties as --parties says run this program on
the same memory at the same time, in any order, and ring each other.

  -r, --role ROLE     first, second or third
  -n, --parties N     2 or 3 (default 2)
  -p, --peer ID       the id that the lowest other role must have
  -v, --vectors N     how many vectors the device must have
  -t, --timeout SEC   give up on another party after so long (default 60)
  -c, --crowded       peers that are no party may ring this one at any time
  -l, --list          say what the device is and can, and check nothing
  -h, --help          show this

A line a check, "ok NAME" or "not ok NAME: why"; then "N passed, N failed".
Exit codes: 0 all passed, 1 some failed, 2 bad options.
)";

[[noreturn]] void bad_usage(const std::string& why) {
    std::fprintf(stderr, "conformance: %s\n%s", why.c_str(), usage);
    std::exit(2);
}

std::uint32_t number(const char* text, unsigned long least, unsigned long most) {
    char* end = nullptr;
    const unsigned long value = std::strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value < least || value > most)
        bad_usage(std::string{"not a number in range: "} + text);
    return static_cast<std::uint32_t>(value);
}

unsigned role_number(std::string_view name) {
    constexpr std::array<std::string_view, 3> names{"first", "second", "third"};
    for (unsigned i = 0; i < names.size(); ++i)
        if (names.at(i) == name)
            return i;
    bad_usage("no such role: " + std::string{name});
}

conformance::options parse(int argc, char** argv) {
    static const std::array<option, 9> longs{{{"role", required_argument, nullptr, 'r'},
                                              {"parties", required_argument, nullptr, 'n'},
                                              {"peer", required_argument, nullptr, 'p'},
                                              {"vectors", required_argument, nullptr, 'v'},
                                              {"timeout", required_argument, nullptr, 't'},
                                              {"crowded", no_argument, nullptr, 'c'},
                                              {"list", no_argument, nullptr, 'l'},
                                              {"help", no_argument, nullptr, 'h'},
                                              {nullptr, 0, nullptr, 0}}};
    conformance::options o;
    for (int c = 0;
         (c = ::getopt_long(argc, argv, "r:n:p:v:t:clh", longs.data(), nullptr)) != -1;) {
        switch (c) {
        case 'r':
            o.role = role_number(optarg);
            break;
        case 'n':
            o.parties = number(optarg, 2, 3);
            break;
        case 'p':
            o.peer = number(optarg, 0, 65535);
            break;
        case 'v':
            o.vectors = number(optarg, 0, 65535);
            break;
        case 't':
            o.timeout = std::chrono::seconds{number(optarg, 1, 3600)};
            break;
        case 'c':
            o.crowded = true;
            break;
        case 'l':
            o.list = true;
            break;
        case 'h':
            std::fputs(usage, stdout);
            std::exit(0);
        default:
            bad_usage("bad option");
        }
    }
    if (optind + 1 != argc)
        bad_usage("one DEVICE is expected");
    o.device = argv[optind];
    if (o.role && *o.role >= o.parties)
        bad_usage("that role needs more --parties");
    if (o.peer && !o.role)
        bad_usage("--peer needs --role");
    return o;
}

void list(const ivshmem::device& dev) {
    const auto& can = dev.capabilities();
    std::printf("# %s, id %u, %u vectors\n", dev.description().c_str(), unsigned{dev.id()},
                dev.vectors());
    std::printf("# memory: %zu bytes, %s\n", dev.memory().size(), dev.memory().reason().c_str());
    std::printf("# ring %d, interrupts %u, removal events %d, peer events %d\n", can.ring,
                can.interrupts, can.removal_events, can.peer_events);
    if (dev.protocol())
        std::printf("# ivshmem-v2: %u peers, protocol %#x, output sections of %zu bytes\n",
                    dev.max_peers(), unsigned{*dev.protocol()},
                    dev.output_sections().size() / dev.max_peers());
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    const auto o = parse(argc, argv);
    conformance::report report;
    ivshmem::device dev;
    const bool opened = report.check("open", [&] {
        ivshmem::open_options how;
        if (o.device.starts_with("server:"))
            how.vectors = o.vectors; // a process that is the only peer must know this number
        dev = ivshmem::device::open(o.device, how);
        list(dev);
        conformance::expect(o.vectors == 0 || dev.vectors() == o.vectors,
                            "the device has " + std::to_string(dev.vectors()) + " vectors");
    });
    if (opened && !o.list) {
        if (o.role)
            conformance::with_peers(dev, o, report);
        else
            conformance::alone(dev, o, report);
    }
    return report.finish();
}
