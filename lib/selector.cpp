// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "failure.hpp"
#include "sysfs.hpp"

#include <ivshmem/selector.hpp>

#include <array>
#include <limits>
#include <optional>
#include <utility>

namespace ivshmem {
namespace {

constexpr std::string_view forms =
    "give a PCI address (0000:00:04.0), index:N, region:N, size:N[K|M|G], any or server:PATH";

struct unit {
    char letter;
    unsigned shift;
};
constexpr std::array units{unit{'G', 30}, unit{'M', 20}, unit{'K', 10}};

/// Bytes, with an optional K, M or G (any case) for the binary units.
std::optional<std::uint64_t> parse_size(std::string_view text) {
    unsigned shift = 0;
    for (const auto& u : units)
        if (!text.empty() && (text.back() == u.letter || text.back() == u.letter + ('a' - 'A')))
            shift = u.shift;
    if (shift != 0)
        text.remove_suffix(1);
    const auto number = parse_number(text);
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint64_t>::max() >> shift)
        return std::nullopt;
    return *number << shift;
}

std::string size_text(std::uint64_t bytes) {
    for (const auto& u : units)
        if (bytes != 0 && bytes % (std::uint64_t{1} << u.shift) == 0)
            return std::to_string(bytes >> u.shift) + u.letter;
    return std::to_string(bytes);
}

/// Takes `key` and a colon from the front of text.
bool take_key(std::string_view& text, std::string_view key) {
    if (!text.starts_with(key) || text.substr(key.size(), 1) != ":")
        return false;
    text.remove_prefix(key.size() + 1);
    return true;
}

std::optional<selector> parse_selector(std::string_view text, failure& f) {
    const auto bad = [&, whole = text](std::string_view what) {
        f.set(errc::bad_selector, "{}: {}; {}", in_quotes(whole), what, forms);
        return std::nullopt;
    };
    if (text == "any")
        return selector{};
    if (const auto address = parse_pci_address(text))
        return selector{*address};
    if (take_key(text, "index")) {
        const auto n = parse_number(text);
        if (!n)
            return bad("index: takes a number, counted from 0");
        return selector::index(*n);
    }
    if (take_key(text, "region")) {
        const auto id = parse_number(text);
        if (!id || *id > 0xffff)
            return bad("region: takes an ACRN region id, 0 to 65535");
        return selector::region(static_cast<std::uint16_t>(*id));
    }
    if (take_key(text, "size")) {
        const auto bytes = parse_size(text);
        if (!bytes)
            return bad("size: takes a number of bytes above 0, with or without K, M or G");
        return selector::size(*bytes);
    }
    if (take_key(text, "server")) {
        if (text.empty())
            return bad("server: takes the path of a UNIX socket");
        return selector::server(std::string{text});
    }
    return bad("names no device");
}

template <typename... Cases>
struct overloaded : Cases... {
    using Cases::operator()...;
};
template <typename... Cases>
overloaded(Cases...) -> overloaded<Cases...>; // clang 14 does not deduce aggregates by itself

} // namespace

selector selector::parse(std::string_view text) {
    failure f;
    auto result = parse_selector(text, f);
    f.raise();
    return std::move(*result); // NOLINT(bugprone-unchecked-optional-access): no failure, no lack
}

selector selector::parse(std::string_view text, std::error_code& ec) {
    failure f;
    auto result = parse_selector(text, f);
    ec = f.code();
    return std::move(result).value_or(selector{});
}

std::string selector::text() const {
    return std::visit(
        overloaded{
            [](const any_device&) -> std::string { return "any"; },
            [](const pci_address& address) { return to_string(address); },
            [](const index_is& index) { return "index:" + std::to_string(index.value); },
            [](const region_is& region) { return "region:" + std::to_string(region.value); },
            [](const size_is& size) { return "size:" + size_text(size.bytes); },
            [](const server_at& server) { return "server:" + server.path; },
        },
        choice_);
}

} // namespace ivshmem
