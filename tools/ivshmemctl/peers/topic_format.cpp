// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/topic_format.hpp"

#include "common/print.hpp"
#include "peers/timestamp.hpp"

#include <boost/json.hpp>

#include <stdexcept>

namespace ivshmemctl {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string in_hex(std::span<const std::byte> bytes, bool capitals = false) {
    const std::string_view digits = capitals ? "0123456789ABCDEF" : "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::byte each : bytes) {
        text += digits[std::to_integer<unsigned>(each >> 4)];
        text += digits[std::to_integer<unsigned>(each & std::byte{0xf})];
    }
    return text;
}

std::string value_of(char letter, const topic_event& event) {
    const auto time = event.message.time.time_since_epoch();
    switch (letter) {
    case 'p':
        return std::string{text_of(event.bytes)};
    case 'x':
    case 'X':
        return in_hex(event.bytes, letter == 'X');
    case 'l':
        return std::to_string(event.bytes.size());
    case 't':
        return std::string{event.topic};
    case 'U':
        return in_seconds(time);
    case 'I':
        return in_local_time(time);
    case 'n':
        return std::to_string(event.message.sequence);
    case 's':
        return std::to_string(event.message.skipped);
    case 'S':
        return std::to_string(event.slot);
    default: // the percent sign
        return {letter};
    }
}

/// Whether JSON can hold the bytes as a string that has the same bytes again.
bool is_text(std::span<const std::byte> bytes) {
    boost::system::error_code ec;
    boost::json::stream_parser parser;
    std::string escaped; // of the bytes below 0x20, quotes and backslashes only the place counts
    for (const char each : text_of(bytes))
        escaped +=
            static_cast<unsigned char>(each) < 0x20 || each == '"' || each == '\\' ? ' ' : each;
    parser.write('"' + escaped + '"', ec);
    return !ec && parser.done();
}

} // namespace

topic_format::topic_format(std::string text) : text_{std::move(text)} {
    for (std::size_t at = text_.find('%'); at != std::string::npos; at = text_.find('%', at + 2)) {
        const std::string_view pair = std::string_view{text_}.substr(at, 2);
        if (pair.size() < 2 ||
            std::string_view{"pxXltUInsS%"}.find(pair[1]) == std::string_view::npos)
            throw std::invalid_argument{
                tools::format("--format: '{}' is unknown; there are {}", pair, letters)};
    }
}

std::string topic_format::operator()(const topic_event& event) const {
    std::string line;
    for (std::size_t i = 0; i < text_.size(); ++i) {
        if (text_[i] == '%')
            line += value_of(text_[++i], event);
        else
            line += text_[i];
    }
    return line;
}

std::string to_json(const topic_event& event) {
    boost::json::object object{{"topic", event.topic},
                               {"slot", event.slot},
                               {"seq", event.message.sequence},
                               {"skipped", event.message.skipped},
                               {"time", in_seconds(event.message.time.time_since_epoch())},
                               {"size", event.bytes.size()},
                               {"hex", in_hex(event.bytes)}};
    if (is_text(event.bytes))
        object["text"] = text_of(event.bytes);
    return boost::json::serialize(object);
}

} // namespace ivshmemctl
