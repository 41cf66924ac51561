// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A client of a server that sends anything after its greeting: any number with any descriptors, in
// pieces of any size, between all that the client may ask for. Nothing may crash or block; each
// error is a documented one; no peer joins twice, and no descriptor is left at the end.

#include "must_hold.hpp"
#include "plain_server.hpp"
#include "schedule.hpp"

#include <ivshmem/device.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <future>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using ivshmem::errc;
using test::must_hold;

constexpr std::uint16_t own = 7;

std::size_t descriptors() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"})
        count += entry.path().empty() ? 0 : 1;
    return count;
}

/// A device, and the server's end of its connection.
class conversation {
  public:
    explicit conversation(const test::plain_server& server) {
        auto greeted = std::async(std::launch::async, [&] { return server.greet(own, {1, 2}); });
        ivshmem::open_options options;
        options.vectors = 2;
        options.trust_server = true;
        device_ = ivshmem::device::open(ivshmem::selector::server(server.path()), options);
        link_ = greeted.get();
        known_ = {1, 2};
    }
    void send(test::schedule& what) {
        std::array<unsigned char, 8> bytes{};
        const std::uint8_t choice = what.byte();
        // Ids that were used before come again; others are beyond the range.
        const auto value = static_cast<std::int64_t>(choice < 200   ? choice % 10U
                                                     : choice < 210 ? 65530U + choice % 10U
                                                     : choice < 220 ? ~std::uint64_t{0}
                                                                    : std::uint64_t{what.word()}
                                                                          << (choice % 33U));
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes.at(i) = static_cast<unsigned char>(static_cast<std::uint64_t>(value) >> (8 * i));
        std::vector<ivshmem::unique_fd> kept;
        const std::uint8_t with = what.byte();
        const unsigned count = with < 100 ? 0 : with < 250 ? 1 : with % 5U;
        std::vector<int> fds;
        for (unsigned i = 0; i < count; ++i)
            fds.push_back(kept.emplace_back(descriptor(what)).get());
        const unsigned first = what.below(16) == 0 ? 1 + what.below(8) : 8;
        test::send_piece(link_.get(), std::span{bytes}.first(first), fds);
        if (first < 8 && what.below(4) != 0)
            test::send_piece(link_.get(), std::span{bytes}.subspan(first), {});
    }
    void end(test::schedule& what) {
        if (what.below(4) == 0)
            link_.reset();
    }
    void play(test::schedule& what) {
        std::error_code ec;
        switch (what.below(8)) {
        case 0: {
            const auto peers = device_.peers(ec);
            must_hold(std::is_sorted(peers.begin(), peers.end()) &&
                          std::adjacent_find(peers.begin(), peers.end()) == peers.end(),
                      "peers are ascending, and each is there once");
            must_hold(std::find(peers.begin(), peers.end(), own) == peers.end(),
                      "the device itself is none of its peers");
            break;
        }
        case 1:
            take_event(ec);
            break;
        case 2:
            static_cast<void>(device_.take(what.below(3), ec));
            break;
        case 3:
            static_cast<void>(device_.take_any(ec));
            break;
        case 4:
            device_.ring(what.below(12), what.below(4), ec);
            break;
        case 5:
            static_cast<void>(device_.wait(what.below(3), std::chrono::milliseconds{0}, ec));
            break;
        case 6:
            static_cast<void>(device_.any_interrupt_fd(ec));
            static_cast<void>(device_.event_fd(ec));
            break;
        default: {
            ivshmem::device moved{std::move(device_)};
            device_ = std::move(moved);
        }
        }
        expect(ec);
    }

    void take_event() {
        std::error_code ec;
        take_event(ec);
        expect(ec);
    }

  private:
    static ivshmem::unique_fd descriptor(test::schedule& what) {
        switch (what.below(12)) {
        case 0:
            return ivshmem::unique_fd{::memfd_create("test", MFD_CLOEXEC)};
        case 1:
            return ivshmem::unique_fd{::open("/dev/null", O_RDWR | O_CLOEXEC)};
        case 2:
            return ivshmem::unique_fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        case 3:
            return ivshmem::unique_fd{::eventfd(0, EFD_CLOEXEC)}; // blocking
        default:
            return ivshmem::unique_fd{::eventfd(what.byte(), EFD_CLOEXEC | EFD_NONBLOCK)};
        }
    }
    void take_event(std::error_code& ec) {
        const auto happened = device_.next_event(ec);
        if (!happened)
            return;
        switch (happened->type) {
        case ivshmem::event::kind::peer_joined:
            must_hold(known_.insert(happened->peer).second, "no peer joins twice");
            break;
        case ivshmem::event::kind::peer_left:
            must_hold(known_.erase(happened->peer) == 1, "a peer that leaves had joined");
            break;
        case ivshmem::event::kind::server_gone:
            must_hold(!gone_, "the server ends once");
            gone_ = true;
            break;
        default:
            must_hold(false, "a server has no other events");
        }
    }
    static void expect(const std::error_code& ec) {
        constexpr std::array documented{errc::server_closed,     errc::server_protocol,
                                        errc::descriptor_limit,  errc::vector_out_of_range,
                                        errc::timed_out,         errc::device_removed,
                                        errc::peer_out_of_range, errc::interrupts_unsupported};
        must_hold(!ec || std::any_of(documented.begin(), documented.end(),
                                     [&](errc e) { return ec == make_error_code(e); }),
                  "every error is a documented one");
    }

    ivshmem::unique_fd link_;
    ivshmem::device device_;
    std::set<std::uint16_t> known_;
    bool gone_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const test::plain_server server;
    const std::size_t before = descriptors();
    {
        test::schedule what{std::span{data, size}};
        conversation with{server};
        while (!what.empty()) {
            const std::uint8_t choice = what.byte();
            if (choice < 128)
                with.send(what);
            else if (choice < 250)
                with.play(what);
            else
                with.end(what);
        }
        for (int i = 0; i < 20; ++i)
            with.take_event();
    }
    must_hold(descriptors() == before, "a closed device leaves no descriptor");
    return 0;
}
