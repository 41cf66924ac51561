// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Send readings to another VM without Boost.Asio, in a loop around poll(2). Readings that find no
// room are dropped and counted: a slow receiver does not hold up the sender.
//
//     poll DEVICE receive
//     poll DEVICE send
//
// On the host, with an ivshmem-server that listens at PATH, two processes:
//
//     ./poll server:PATH receive
//     ./poll server:PATH send
//
// In two guests, or in a guest and on the host, with the address that lsivshmem prints:
//
//     ./poll 0000:00:04.0 receive
//     ./poll 0000:00:04.0 send

#include <ivshmem/ivshmem.hpp>

#include <chrono>
#include <csignal>
#include <iostream>
#include <span>
#include <string_view>

#include <poll.h>

namespace {

using namespace std::chrono_literals;
using ivshmem::channel;
using ivshmem::channel_driver;
using ivshmem::errc;

/// A peer that claims this slot waits 250 ms for an answer, by default.
constexpr auto longest_wait = 100ms;
constexpr std::string_view service = "readings";
constexpr std::uint32_t readings = 10'000;

volatile std::sig_atomic_t stopped = 0;

struct reading {
    std::uint32_t number;
    std::uint32_t value;
};

/// A slot, and one channel in it.
class party {
  public:
    explicit party(const char* device_name)
        : device_{ivshmem::device::open(device_name)}, slot_{ivshmem::slot::claim_free(device_)},
          directory{slot_} {}

    /// Waits until the other side rings, or for `at_most`; then updates the slot and the channel.
    /// @param what The events to be rung for, of channel_driver::wake; 0: none.
    void wait(std::uint32_t what, std::chrono::milliseconds at_most = longest_wait) {
        channel_driver driver{messages};
        if (what == 0 || !messages.is_open() || driver.arm(what)) {
            pollfd rung{-1, POLLIN, 0}; // -1: poll(2) only waits
            if (slot_.has_interrupts())
                rung.fd = device_.interrupt_fd(slot_.vector());
            else
                at_most = 1ms;
            if (::poll(&rung, 1, static_cast<int>(at_most.count())) > 0)
                device_.take(slot_.vector());
        }
        driver.disarm();
        slot_.answer_claims();
        if (!messages.is_open())
            return;
        messages.update();
        driver.ring_again(); // the last ring may have been lost
    }
    void open(std::uint32_t slot, std::uint32_t lane, const ivshmem::channel_options& options) {
        messages = channel::open(slot_, slot, lane, options);
    }

  private:
    ivshmem::device device_;
    ivshmem::slot slot_;

  public:
    ivshmem::service_directory directory;
    channel messages;
};

void receive(party& own) {
    const std::uint32_t key = own.directory.offer(service);
    std::cout << "waiting for readings" << std::endl;
    std::uint32_t received = 0;
    std::uint32_t last = 0;
    while (stopped == 0) {
        if (!own.messages.is_open())
            if (const auto asked = own.directory.find_request(key))
                own.open(asked->slot, asked->lane,
                         {.max_message = sizeof(reading), .offered = key});
        reading next{};
        std::error_code ec;
        while (own.messages.is_open() &&
               own.messages.try_receive(std::as_writable_bytes(std::span{&next, 1}), ec)) {
            ++received;
            last = next.number;
        }
        if (ec && ec != errc::not_connected) { // the sender has closed, or is gone
            std::cout << received << " readings received, the last is " << last << std::endl;
            own.messages.close();
            received = last = 0;
        }
        own.wait(channel_driver::for_data);
    }
}

bool connect(party& own) {
    while (stopped == 0) {
        std::error_code ec;
        const auto found = own.directory.find_service(service, {}, ec);
        if (!ec) {
            own.open(found.slot, own.directory.find_lane(found.slot), {.service = found.key});
            for (int i = 0; i < 10 && own.messages.state() != ivshmem::channel_state::connected;
                 ++i)
                own.wait(channel_driver::for_data);
            if (own.messages.state() == ivshmem::channel_state::connected)
                return true;
            own.messages.close(); // the receiver is busy, or gone
        }
        own.wait(0);
    }
    return false;
}

void send(party& own) {
    if (!connect(own))
        return;
    std::uint32_t dropped = 0;
    for (std::uint32_t number = 1; number <= readings && stopped == 0; ++number) {
        const reading next{number, number * number % 1000};
        // false: there is no room now
        if (!own.messages.try_send(std::as_bytes(std::span{&next, 1})))
            ++dropped;
        if (number % 100 == 0)
            own.wait(0, 1ms); // try_send() alone answers no claims
    }
    std::cout << readings - dropped << " readings sent, " << dropped << " dropped" << std::endl;
    own.messages.finish();
    for (int i = 0; i < 20 && stopped == 0 && !own.messages.drained(); ++i)
        own.wait(channel_driver::for_drained);
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 3 ? argv[2] : "";
    if (what != "receive" && what != "send") {
        std::cerr << "usage: poll DEVICE receive|send\n";
        return 2;
    }
    for (const int signal : {SIGINT, SIGTERM})
        std::signal(signal, [](int) { stopped = 1; });
    try {
        party own{argv[1]};
        what == "receive" ? receive(own) : send(own);
    } catch (const std::exception& e) {
        std::cerr << "poll: " << e.what() << '\n';
        return 1;
    }
}
