// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/topic_reader_object.hpp"

#include "c/bytes.hpp"
#include "c/failures.hpp"

#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

namespace ivshmem::capi {

std::optional<topic_message> topic_reader_object::view(which of) {
    auto message = take(of);
    if (message && message->session == session_)
        message->skipped += std::exchange(unreported_, 0);
    return message;
}

std::optional<topic_message> topic_reader_object::read(which of, std::span<std::byte> into) {
    // How many messages that are overwritten while they are copied are skipped: the work must end.
    constexpr int attempts = 4;
    for (int attempt = 0; attempt < attempts; ++attempt) {
        auto message = view(of);
        if (!message)
            return std::nullopt;
        const std::size_t length = message->bytes.size();
        if (length > options_.max_message) {
            lose(*message);
            throw error{errc::message_too_large, "topic: a message of " + std::to_string(length) +
                                                     " bytes, and max_message is " +
                                                     std::to_string(options_.max_message)};
        }
        if (length > into.size()) {
            kept_ = message;
            return message;
        }
        if (reader.copy_out(*message, into.first(length))) {
            message->bytes = into.first(length);
            return message;
        }
        lose(*message);
    }
    return std::nullopt;
}

std::optional<topic_message> topic_reader_object::take(which of) {
    auto kept = std::exchange(kept_, std::nullopt);
    if (kept && !reader.still_valid(*kept)) {
        lose(*kept);
        kept.reset();
    }
    if (!kept)
        return of == which::next ? reader.try_view() : reader.try_view_latest();
    if (of == which::newest) {
        std::error_code ec; // of a topic that is over: the message is read first
        if (auto newer = reader.try_view_latest(ec)) {
            lose(*kept);
            return newer;
        }
    }
    return kept;
}

void topic_reader_object::lose(const topic_message& message) {
    if (std::exchange(session_, message.session) != message.session)
        unreported_ = 0;
    unreported_ += message.skipped + 1;
    ++lost_;
}

topic_message message_from(const ivshmem_topic_message* given) {
    require(given);
    require(given->size >= offsetof(ivshmem_topic_message, session) + sizeof given->session,
            "the size of a message of a topic is not set, or too small for its fields");
    topic_message result;
    result.sequence = given->sequence;
    result.bytes = bytes_of(given->bytes, given->length);
    result.session = given->session;
    return result;
}

} // namespace ivshmem::capi
