// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device.hpp>
#include <ivshmem/slot.hpp>
#include <ivshmem/topic_reader.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace test {

/// The message with a number: its length and its bytes follow from it.
inline std::vector<std::byte> counted_message(std::uint64_t number) {
    std::vector<std::byte> bytes(8 + number % 200, static_cast<std::byte>(number));
    std::memcpy(bytes.data(), &number, sizeof number);
    return bytes;
}

/// What a reader of counted messages has read.
struct topic_count {
    std::uint64_t read = 0;
    std::uint64_t skipped = 0;
    std::uint64_t first = 1; ///< the number that the reader began with
    std::uint64_t last = 0;
    std::error_code end;  ///< the error that ended it
    bool whole = true;    ///< each message had the bytes that follow from its number
    bool is_exact = true; ///< after each message, the numbers read and skipped added up
    [[nodiscard]] bool adds_up_to(std::uint64_t sequence) const {
        return first - 1 + read + skipped == sequence;
    }
};

/// Reads a topic of counted messages until it ends, and sleeps while there is none.
/// @param ready Called once, when the reader is open. @param after Called as after(count), after
/// each message.
template <typename Ready, typename After>
topic_count count_messages(ivshmem::device& of, const ivshmem::slot& in, std::string_view name,
                           const ivshmem::topic_reader_options& options, Ready ready, After after) {
    using namespace std::chrono_literals;
    auto reader = ivshmem::topic_reader::open(in, name, options);
    ready();
    topic_count count;
    std::vector<std::byte> into;
    while (!count.end) {
        if (const auto got = reader.try_read(into, count.end)) {
            if (std::exchange(count.read, count.read + 1) == 0)
                count.first = got->sequence - got->skipped;
            count.last = got->sequence;
            count.skipped = reader.skipped();
            count.whole = count.whole && into == counted_message(got->sequence);
            count.is_exact = count.is_exact && count.adds_up_to(got->sequence);
            after(count);
        } else if (!count.end && reader.arm()) {
            std::error_code waited;
            static_cast<void>(of.wait(in.vector(), 100ms, waited));
            reader.disarm();
            reader.update(count.end);
        }
    }
    return count;
}

} // namespace test
