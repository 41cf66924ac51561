// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// As bench-c-api, with two topics instead of a channel: each side writes one, which the other
// reads. Because a writer waits for nobody, each 64 messages of a stream are answered:
//     bench-topics-c-api c|cpp throughput|roundtrip|calls SIZE COUNT

#include "c_api_games.hpp"
#include "c_api_slot.hpp"

#include <ivshmem/ivshmem.h>
#include <ivshmem/ivshmem.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace {

constexpr std::size_t topic_size = std::size_t{1} << 20U;
constexpr std::uint32_t ring_size = 1024;
/// The first of these may be there before the reader.
constexpr std::uint64_t window = 64;
constexpr const char* name_of(std::uint32_t writer) {
    return writer == 0 ? "there" : "back";
}

class of_cpp {
  public:
    of_cpp(const std::string& server, std::uint32_t number)
        : device_{ivshmem::device::open(server, {.vectors = 1})},
          slot_{ivshmem::slot::claim(
              device_, {.number = number, .geometry = ivshmem::region_geometry{2, 1, ring_size}})},
          out_{ivshmem::topic_writer::create(slot_, name_of(number), {.size = topic_size})},
          in_{ivshmem::topic_reader::open(slot_, name_of(1 - number),
                                          {.history = window, .polling = true})} {}

    bool connected() { return in_.update() == ivshmem::topic_state::attached; }
    bool left() {
        std::error_code ended;
        return !in_.try_view(ended) && ended;
    }
    void send(std::span<const std::byte> message) { out_.publish(message); }
    void receive(std::span<std::byte> into) {
        for (;;) {
            const auto view = in_.try_view();
            if (view && in_.copy_out(*view, into))
                return;
        }
    }

  private:
    ivshmem::device device_;
    ivshmem::slot slot_;
    ivshmem::topic_writer out_;
    ivshmem::topic_reader in_;
};

class of_c {
  public:
    of_c(const std::string& server, std::uint32_t number) : slot_{server, number, ring_size} {
        ivshmem_topic_options writing{};
        writing.size = sizeof writing;
        writing.ring_size = topic_size;
        ivshmem_topic_reader_options reading{};
        reading.size = sizeof reading;
        reading.history = window;
        reading.polling = 1;
        check(ivshmem_topic_writer_open(slot_.get(), name_of(number), &writing, &out_));
        check(ivshmem_topic_reader_open(slot_.get(), name_of(1 - number), &reading, &in_));
        message_.size = sizeof message_;
    }
    of_c(const of_c&) = delete;
    of_c& operator=(const of_c&) = delete;
    ~of_c() {
        ivshmem_topic_reader_close(in_);
        ivshmem_topic_writer_close(out_);
    }

    bool connected() {
        int state = 0;
        check(ivshmem_topic_reader_update(in_, &state));
        return state == IVSHMEM_TOPIC_STATE_ATTACHED;
    }
    bool left() {
        const int result = ivshmem_topic_reader_try_read(in_, nullptr, 0, &message_);
        return result != 0 && result != -EAGAIN;
    }
    void send(std::span<const std::byte> message) {
        check(ivshmem_topic_writer_publish(out_, message.data(), message.size()));
    }
    void receive(std::span<std::byte> into) {
        for (;;) {
            const int result =
                ivshmem_topic_reader_try_read(in_, into.data(), into.size(), &message_);
            if (result != -EAGAIN)
                return check(result);
        }
    }

  private:
    static void check(int result) { bench::slot_in_c::check(result); }

    bench::slot_in_c slot_;
    ivshmem_topic_writer* out_ = nullptr;
    ivshmem_topic_reader* in_ = nullptr;
    ivshmem_topic_message message_{};
};

} // namespace

template <>
constexpr std::uint64_t bench::window_of<of_cpp> = window;
template <>
constexpr std::uint64_t bench::window_of<of_c> = window;

int main(int argc, char** argv) {
    return bench::play_games<of_c, of_cpp>("bench-topics-c-api", argc, argv);
}
