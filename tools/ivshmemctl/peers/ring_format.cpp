// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/ring_format.hpp"

#include "common/print.hpp"

#include <boost/json.hpp>

#include <stdexcept>
#include <string_view>

namespace ivshmemctl {

ring_format::ring_format(std::string text) : text_{std::move(text)} {
    for (std::size_t at = text_.find('%'); at != std::string::npos; at = text_.find('%', at + 2)) {
        const std::string_view pair = std::string_view{text_}.substr(at, 2);
        if (pair.size() < 2 || std::string_view{"tTmvns%"}.find(pair[1]) == std::string_view::npos)
            throw std::invalid_argument{
                tools::format("--format: '{}' is unknown; there are {}", pair, letters)};
    }
}

std::string ring_format::operator()(const ring_event& event) const {
    std::string line;
    for (std::size_t i = 0; i < text_.size(); ++i) {
        if (text_[i] != '%') {
            line += text_[i];
            continue;
        }
        switch (text_[++i]) {
        case 't':
            line += in_seconds(event.when.real);
            break;
        case 'T':
            line += in_local_time(event.when.real);
            break;
        case 'm':
            line += in_seconds(event.when.monotonic);
            break;
        case 'v':
            line += std::to_string(event.vector);
            break;
        case 'n':
            line += std::to_string(event.count);
            break;
        case 's':
            line += std::to_string(event.total);
            break;
        default: // the percent sign
            line += text_[i];
        }
    }
    return line;
}

std::string to_json(const ring_event& event) {
    return boost::json::serialize(boost::json::object{{"event", "ring"},
                                                      {"time_ns", event.when.real.count()},
                                                      {"vector", event.vector},
                                                      {"count", event.count},
                                                      {"total", event.total}});
}

} // namespace ivshmemctl
