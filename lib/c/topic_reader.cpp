// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/blocking.hpp"
#include "c/bytes.hpp"
#include "c/failures.hpp"
#include "c/structs.hpp"
#include "c/topic_reader_object.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>

namespace ivshmem::capi {
namespace {

using which = topic_reader_object::which;

topic_reader_options topic_reader_options_from(const ivshmem_topic_reader_options& given) {
    topic_reader_options result;
    result.history = given.history;
    result.polling = given.polling != 0;
    result.pins = given.pins;
    if (given.max_message != 0)
        result.max_message = static_cast<std::size_t>(
            std::min<std::uint64_t>(given.max_message, std::numeric_limits<std::size_t>::max()));
    return result;
}

/// @param bytes In the section of the writer, or in the buffer of the caller.
void give_message(const topic_message& message, const void* bytes, ivshmem_topic_message* to) {
    ivshmem_topic_message result{};
    result.bytes = bytes;
    result.length = message.bytes.size();
    result.sequence = message.sequence;
    result.skipped = message.skipped;
    result.time_ns = static_cast<std::uint64_t>(message.time.time_since_epoch().count());
    result.session = message.session;
    give_facts(result, to);
}

/// @return 0 or -EAGAIN.
int try_view(topic_reader_object& from, which of, ivshmem_topic_message* message) {
    check_facts(message);
    const auto got = from.view(of);
    if (!got)
        return -EAGAIN;
    give_message(*got, got->bytes.data(), message);
    return 0;
}

/// @return 0 or -EAGAIN.
int try_read(topic_reader_object& from, which of, std::span<std::byte> into,
             ivshmem_topic_message* message) {
    check_facts(message);
    const auto got = from.read(of, into);
    if (!got)
        return -EAGAIN;
    const std::size_t length = got->bytes.size();
    const bool fits = length <= into.size();
    give_message(*got, fits ? got->bytes.data() : nullptr, message);
    if (!fits)
        throw error{errc::buffer_too_small, "topic: a message of " + std::to_string(length) +
                                                " bytes, and the buffer has " +
                                                std::to_string(into.size())};
    return 0;
}

/// Repeats an attempt until it returns something else than -EAGAIN.
template <typename Attempt>
int until_read(topic_reader_object& from, int timeout_ms, Attempt attempt) {
    using namespace std::chrono_literals;
    patience left{timeout_ms};
    for (;;) {
        if (const int result = attempt(); result != -EAGAIN) {
            from.in->found();
            return result;
        }
        // The writer rings, and so does a peer that claims the slot: an idle topic costs nothing.
        const auto time = left.next(from.in->longest_sleep());
        from.in->wait(from,
                      from.is_polling() ? std::min<std::chrono::nanoseconds>(time, 1ms) : time);
        from.reader.update();
    }
}

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_topic_reader_open(ivshmem_slot* slot, const char* name,
                              const ivshmem_topic_reader_options* options,
                              ivshmem_topic_reader** reader) {
    return guarded([&] {
        const auto& held = use<slot_object>(slot).held;
        require(name);
        require(reader);
        *reader = make_handle(std::make_unique<topic_reader_object>(
            held, name, topic_reader_options_from(options_from(options))));
    });
}

int ivshmem_topic_reader_close(ivshmem_topic_reader* reader) {
    return guarded([&] { end_handle<topic_reader_object>(reader); });
}

int ivshmem_topic_reader_reopen(ivshmem_topic_reader* reader) {
    return guarded([&] { use<topic_reader_object>(reader).reader.reopen(); });
}

int ivshmem_topic_reader_get_facts(ivshmem_topic_reader* reader,
                                   ivshmem_topic_reader_facts* facts) {
    return guarded([&] {
        const auto& of = use<topic_reader_object>(reader);
        ivshmem_topic_reader_facts result{};
        result.state = static_cast<int>(of.reader.state());
        const auto slot = of.reader.writer_slot();
        result.writer_slot = slot ? static_cast<std::int32_t>(*slot) : -1;
        result.skipped = of.skipped();
        result.relayed = of.reader.relayed() ? 1 : 0;
        give_facts(result, facts);
    });
}

int ivshmem_topic_reader_update(ivshmem_topic_reader* reader, int* state) {
    return guarded([&] {
        const auto now = use<topic_reader_object>(reader).reader.update();
        if (state != nullptr)
            *state = static_cast<int>(now);
    });
}

int ivshmem_topic_reader_arm(ivshmem_topic_reader* reader, int* may_sleep) {
    return guarded([&] {
        auto& of = use<topic_reader_object>(reader);
        require(may_sleep);
        *may_sleep = of.arm() ? 1 : 0;
    });
}

int ivshmem_topic_reader_disarm(ivshmem_topic_reader* reader) {
    return guarded([&] { use<topic_reader_object>(reader).disarm(); });
}

int ivshmem_topic_reader_try_read(ivshmem_topic_reader* reader, void* buffer, size_t capacity,
                                  ivshmem_topic_message* message) {
    return guarded([&] {
        auto& from = use<topic_reader_object>(reader);
        return try_read(from, which::next, bytes_of(buffer, capacity), message);
    });
}

int ivshmem_topic_reader_try_read_latest(ivshmem_topic_reader* reader, void* buffer,
                                         size_t capacity, ivshmem_topic_message* message) {
    return guarded([&] {
        auto& from = use<topic_reader_object>(reader);
        return try_read(from, which::newest, bytes_of(buffer, capacity), message);
    });
}

int ivshmem_topic_reader_try_view(ivshmem_topic_reader* reader, ivshmem_topic_message* message) {
    return guarded(
        [&] { return try_view(use<topic_reader_object>(reader), which::next, message); });
}

int ivshmem_topic_reader_try_view_latest(ivshmem_topic_reader* reader,
                                         ivshmem_topic_message* message) {
    return guarded(
        [&] { return try_view(use<topic_reader_object>(reader), which::newest, message); });
}

int ivshmem_topic_reader_still_valid(ivshmem_topic_reader* reader,
                                     const ivshmem_topic_message* message, int* valid) {
    return guarded([&] {
        const auto& of = use<topic_reader_object>(reader);
        const auto asked = message_from(message);
        require(valid);
        *valid = of.reader.still_valid(asked) ? 1 : 0;
    });
}

int ivshmem_topic_reader_copy_out(ivshmem_topic_reader* reader,
                                  const ivshmem_topic_message* message, void* buffer, size_t length,
                                  int* valid) {
    return guarded([&] {
        const auto& of = use<topic_reader_object>(reader);
        const auto from = message_from(message);
        const auto into = bytes_of(buffer, length);
        require(valid);
        require(length <= from.bytes.size(),
                "ivshmem_topic_reader_copy_out: more bytes than the message has");
        // First, so that nothing is read of a message that this reader did not return.
        *valid = of.reader.still_valid(from) && of.reader.copy_out(from, into) ? 1 : 0;
    });
}

int ivshmem_topic_reader_read(ivshmem_topic_reader* reader, void* buffer, size_t capacity,
                              ivshmem_topic_message* message, int timeout_ms) {
    return guarded([&] {
        auto& from = use<topic_reader_object>(reader);
        const auto into = bytes_of(buffer, capacity);
        return until_read(from, timeout_ms,
                          [&] { return try_read(from, which::next, into, message); });
    });
}

int ivshmem_topic_reader_read_latest(ivshmem_topic_reader* reader, void* buffer, size_t capacity,
                                     ivshmem_topic_message* message, int timeout_ms) {
    return guarded([&] {
        auto& from = use<topic_reader_object>(reader);
        const auto into = bytes_of(buffer, capacity);
        return until_read(from, timeout_ms,
                          [&] { return try_read(from, which::newest, into, message); });
    });
}

int ivshmem_topic_reader_view(ivshmem_topic_reader* reader, ivshmem_topic_message* message,
                              int timeout_ms) {
    return guarded([&] {
        auto& from = use<topic_reader_object>(reader);
        return until_read(from, timeout_ms, [&] { return try_view(from, which::next, message); });
    });
}

} // extern "C"
