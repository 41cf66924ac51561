// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "doctor/finding.hpp"

#include "common/print.hpp"

#include <boost/json.hpp>

namespace ivshmemctl {
namespace {

namespace json = boost::json;

/// Returns a mark four columns wide, in capitals for a failure only.
std::string mark(outcome o, bool color) {
    const auto painted = [&](const char* sgr, const char* text) {
        return color ? tools::format("\x1b[{}m{}\x1b[0m", sgr, text) : std::string{text};
    };
    switch (o) {
    case outcome::ok:
        return painted("32", "ok  ");
    case outcome::warn:
        return painted("33", "warn");
    case outcome::fail:
        return painted("1;31", "FAIL");
    case outcome::skip:
        break;
    }
    return painted("2", "skip");
}

} // namespace

std::string_view to_string(outcome o) noexcept {
    switch (o) {
    case outcome::ok:
        return "ok";
    case outcome::warn:
        return "warn";
    case outcome::fail:
        return "fail";
    case outcome::skip:
        break;
    }
    return "skip";
}

void print_text(const std::vector<finding>& findings, const verdict& end, bool color) {
    for (const auto& f : findings) {
        tools::print("{}  {:<16} {}\n", mark(f.is, color), f.check, f.text);
        if (!f.next.empty())
            tools::print("{:6}try: {}\n", "", f.next);
    }
    tools::print("{}\n", end.text);
}

void print_json(const std::vector<finding>& findings, const verdict& end,
                const std::string& device) {
    json::array checks;
    for (const auto& f : findings)
        checks.push_back({{"name", f.check},
                          {"status", to_string(f.is)},
                          {"finding", f.text},
                          {"next", f.next.empty() ? json::value(nullptr) : json::value(f.next)}});
    const json::object all{{"version", 1},
                           {"device", device.empty() ? json::value(nullptr) : json::value(device)},
                           {"works", end.works},
                           {"verdict", end.text},
                           {"checks", checks}};
    tools::print("{}\n", json::serialize(all));
}

} // namespace ivshmemctl
