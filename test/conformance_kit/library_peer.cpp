// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer of the library for `ivshmemctl conformance`, in slot 2 of a server's memory: it offers
// "echo", and publishes each message of the topic "echo" again on "echo back".

#include <ivshmem/channel.hpp>
#include <ivshmem/device.hpp>
#include <ivshmem/service_directory.hpp>
#include <ivshmem/slot.hpp>
#include <ivshmem/topic_reader.hpp>
#include <ivshmem/topic_writer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

class echo_peer {
  public:
    explicit echo_peer(const ivshmem::slot& in)
        : slot_{in}, directory_{in}, key_{directory_.offer("echo")},
          back_{ivshmem::topic_writer::create(in, "echo back")}, topic_{ivshmem::topic_reader::open(
                                                                     in, "echo")} {}

    void step() {
        if (const auto asked = directory_.find_request(key_))
            channels_.push_back(
                ivshmem::channel::open(slot_, asked->slot, asked->lane, {.offered = key_}));
        std::erase_if(channels_, [this](auto& each) { return !answer(each); });
        while (publish_again()) {
        }
        std::error_code ec;
        topic_.reopen(ec); // after its end, or a fault
        if (topic_.arm()) {
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
            topic_.disarm();
        }
    }

  private:
    /// @return Whether the channel stays open.
    bool answer(ivshmem::channel& on) {
        std::error_code ec;
        on.update(ec);
        if (on.state() == ivshmem::channel_state::opening)
            return true;
        std::array<std::byte, 512> message{};
        std::optional<std::size_t> size;
        while (!ec && (size = on.try_receive(message, ec)))
            on.try_send(std::span{message}.first(*size), ec);
        return !ec;
    }
    bool publish_again() {
        std::error_code ec;
        if (!topic_.try_read(buffer_, ec))
            return false;
        back_.publish(buffer_);
        return true;
    }

    const ivshmem::slot& slot_;
    ivshmem::service_directory directory_;
    const std::uint32_t key_;
    ivshmem::topic_writer back_;
    ivshmem::topic_reader topic_;
    std::vector<ivshmem::channel> channels_;
    std::vector<std::byte> buffer_;
};

} // namespace

int main(int count, char** words) {
    try {
        const std::string socket{count > 1 ? words[1] : ""}; // NOLINT(*-pointer-arithmetic)
        const auto device = ivshmem::device::open("server:" + socket);
        ivshmem::slot_options options;
        options.number = 2;
        auto slot = ivshmem::slot::claim(device, options);
        echo_peer peer{slot};
        std::printf("slot 2 of %u\n", slot.geometry().slots);
        std::fflush(stdout);
        for (;;) {
            slot.answer_claims();
            peer.step();
        }
    } catch (const std::exception& e) {
        std::fprintf(stderr, "library_peer: %s\n", e.what());
        return 1;
    }
}
