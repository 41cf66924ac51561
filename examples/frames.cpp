// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Video between two VMs without a copy: a test card of 3840 x 2160 at 60 frames a second, drawn in
// the shared memory itself, and checked where it is.
//
//     frames DEVICE send [WIDTHxHEIGHT [FRAMES]]     until Ctrl-C without a number of frames
//     frames DEVICE receive [FILE.png [FRAMES]]      the last frame becomes a picture
//
// Both take a free slot of two, so the memory of the device must hold 8 frames: 512 MiB.

#include "test_card.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

namespace net = boost::asio;
using clock_type = std::chrono::steady_clock;

namespace {

constexpr auto frame_time = std::chrono::nanoseconds{std::chrono::seconds{1}} / 60;

/// Prints a line each second, and one at the end.
class rate {
  public:
    void count(std::uint64_t skipped) {
        ++frames_;
        skipped_ += skipped;
        if (clock_type::now() - shown_ >= std::chrono::seconds{1})
            show();
    }
    void show() {
        shown_ = clock_type::now();
        const std::chrono::duration<double> took = shown_ - begin_;
        std::printf(
            "%llu frames, %.1f a second, %llu skipped\n", static_cast<unsigned long long>(frames_),
            static_cast<double>(frames_) / took.count(), static_cast<unsigned long long>(skipped_));
        std::fflush(stdout);
    }

  private:
    clock_type::time_point begin_ = clock_type::now();
    clock_type::time_point shown_ = begin_;
    std::uint64_t frames_ = 0;
    std::uint64_t skipped_ = 0;
};

net::awaitable<void> send(ivshmem::asio::slot& slot, test_card::header card, std::uint64_t frames) {
    const std::size_t size = test_card::size_of(card);
    // One reader may hold a frame while the next ones are drawn.
    auto out = ivshmem::topic_writer::create(
        slot.next_layer(), "video", {.max_message = size, .pinning_readers = 1, .pins_each = 1});
    std::cout << "sending " << card.width << 'x' << card.height << std::endl;
    net::steady_timer timer{co_await net::this_coro::executor, clock_type::now()};
    rate sent;
    while (frames == 0 || out.sequence() < frames) {
        card.number = out.sequence() + 1;
        test_card::draw(card, out.loan(size));
        out.publish();
        sent.count(0);
        // A frame that was late is made up for, but not a longer stop.
        timer.expires_at(std::max(timer.expiry() + frame_time, clock_type::now() - 2 * frame_time));
        co_await timer.async_wait(net::use_awaitable);
    }
    sent.show();
}

/// Whether a frame in the shared memory is what the sender drew. The sender could change it at any
/// time: the header is read once.
bool is_good(const ivshmem::topic_message& frame, test_card::header& card) {
    if (frame.bytes.size() < sizeof card)
        return false;
    std::memcpy(&card, frame.bytes.data(), sizeof card);
    return test_card::has_sides(card) && frame.bytes.size() == test_card::size_of(card) &&
           card.number == frame.sequence &&
           card.checksum == test_card::checksum(frame.bytes.subspan(sizeof card));
}

net::awaitable<void> receive(ivshmem::asio::slot& slot, std::string file, std::uint64_t frames) {
    ivshmem::asio::topic_reader in{slot, "video", {.pins = 1}};
    std::cout << "receiving" << std::endl;
    std::optional<rate> received;
    test_card::header card;
    ivshmem::topic_pin held;
    // The picture is written from a frame that is held.
    for (std::uint64_t read = 0;
         frames == 0 || read < frames || !(file.empty() || held.is_open());) {
        const auto frame = co_await in.async_view(net::use_awaitable);
        if (!received)
            received.emplace();
        held.release();
        std::error_code refused;
        held = in.next_layer().pin(frame, refused);
        const bool good = is_good(frame, card);
        // Without a pin, the sender may have drawn the next frame over it meanwhile.
        const bool whole = held.is_open() ? held.still_valid() : in.next_layer().still_valid(frame);
        if (whole && !good)
            throw std::runtime_error{"frame " + std::to_string(frame.sequence) + " is damaged"};
        received->count(frame.skipped + (whole ? 0 : 1));
        if (whole)
            ++read;
    }
    received->show();
    if (file.empty())
        co_return;
    // To write a file takes longer than the sender waits for a heartbeat of this side, and then it
    // takes the frame back: so this needs a copy.
    const auto pixels = held.message().bytes.subspan(sizeof card);
    const std::vector<std::byte> copy(pixels.begin(), pixels.end());
    if (!held.still_valid())
        throw std::runtime_error{"the sender took back a frame that was held"};
    test_card::png{file}.write(card, copy);
    std::cout << file << ": frame " << card.number << std::endl;
}

int usage() {
    std::cerr << "usage: frames DEVICE send [WIDTHxHEIGHT [FRAMES]]\n"
                 "       frames DEVICE receive [FILE.png [FRAMES]]\n";
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() < 2 || words.size() > 4 || (words[1] != "send" && words[1] != "receive"))
        return usage();
    const bool sends = words[1] == "send";
    test_card::header card;
    card.width = 3840;
    card.height = 2160;
    try {
        std::uint64_t frames = sends ? 0 : 600;
        if (words.size() > 3)
            frames = std::stoull(words[3]);
        if (sends && words.size() > 2 &&
            (std::sscanf(words[2].c_str(), "%ux%u", &card.width, &card.height) != 2 ||
             !test_card::has_sides(card))) {
            std::cerr << "frames: " << words[2]
                      << ": not the width and height of a picture of 64x64 to 8192x8192, whose "
                         "width is a multiple of 16\n";
            return usage();
        }
        const auto device = ivshmem::device::open(words[0]);
        net::io_context io{1};
        // Small channels leave the memory to topics. Beats once a second, so that the other side
        // notices if this program is killed.
        const ivshmem::slot_options options{.number = sends ? 0U : 1U,
                                            .geometry = ivshmem::region_geometry{2, 1, 1024},
                                            .heartbeat = std::chrono::seconds{1}};
        ivshmem::asio::slot slot{io, device, options};
        net::signal_set signals{io, SIGINT, SIGTERM};
        signals.async_wait([&](auto, int) { io.stop(); });
        const auto ended = [&](const std::exception_ptr& failed) {
            if (failed)
                std::rethrow_exception(failed);
            io.stop();
        };
        if (sends)
            net::co_spawn(io, send(slot, card, frames), ended);
        else
            net::co_spawn(io, receive(slot, words.size() > 2 ? words[2] : "", frames), ended);
        io.run();
        return 0;
    } catch (const std::exception& e) {
        std::cerr << "frames: " << e.what() << '\n';
        return 1;
    }
}
