// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/selector.hpp"

#include "base/twins.hpp"
#include "discovery/sysfs.hpp"

#include <array>
#include <limits>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace ivshmem {
namespace {

constexpr std::string_view forms =
    "give a PCI address (0000:00:04.0), index:N, region:N, size:N[K|M|G], any, server:PATH or "
    "share:PATH";

struct unit {
    char letter;
    unsigned shift;
};
constexpr std::array units{unit{'G', 30}, unit{'M', 20}, unit{'K', 10}};

/// Parses bytes, with an optional binary suffix K, M or G (any case).
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

/// Removes `key` and a colon from the front of text.
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
    if (take_key(text, "share")) {
        if (text.empty())
            return bad("share: takes the path of a UNIX socket");
        return selector::share(std::string{text});
    }
    return bad("names no device");
}

template <typename... Cases>
struct overloaded : Cases... {
    using Cases::operator()...;
};
template <typename... Cases>
overloaded(Cases...) -> overloaded<Cases...>; // clang 14 does not deduce aggregates by itself

/// "0000:00:04.0 (4 MiB, vfio-pci)"
std::string describe(const device_info& device) {
    constexpr std::uint64_t mebi = 1U << 20U;
    const auto size = device.memory_size();
    const auto whole = size >= mebi;
    return formatted("{} ({} {}, {})", to_string(device.address), whole ? size / mebi : size,
                     whole ? "MiB" : "bytes", device.driver.empty() ? "no driver" : device.driver);
}

std::string describe(const std::vector<const device_info*>& devices) {
    std::string list;
    for (const auto* device : devices)
        list += (list.empty() ? "" : ", ") + describe(*device);
    return list;
}

bool matches(const selector::choice& choice, const device_info& device) {
    if (const auto* address = std::get_if<pci_address>(&choice))
        return device.address == *address;
    if (const auto* region = std::get_if<selector::region_is>(&choice))
        return device.acrn_region == region->value;
    if (const auto* size = std::get_if<selector::size_is>(&choice))
        return device.memory_size() == size->bytes;
    return std::holds_alternative<selector::any_device>(choice);
}

} // namespace

selector selector::parse(std::string_view text) {
    return throwing([&](failure& f) { return parse_selector(text, f).value_or(selector{}); });
}

selector selector::parse(std::string_view text, std::error_code& ec) {
    return reporting(ec, [&](failure& f) { return parse_selector(text, f).value_or(selector{}); });
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
            [](const share_at& share) { return "share:" + share.path; },
        },
        choice_);
}

const device_info* choose_device(const selector& which, std::span<const device_info> devices,
                                 failure& f) {
    const auto& choice = which.what();
    if (std::holds_alternative<selector::server_at>(choice) ||
        std::holds_alternative<selector::share_at>(choice)) {
        f.set(errc::bad_selector,
              "{}: is a server and no PCI device; open it with the {} "
              "backend",
              which.text(),
              std::holds_alternative<selector::server_at>(choice) ? "server" : "shared");
        return nullptr;
    }
    std::vector<const device_info*> found;
    if (const auto* index = std::get_if<selector::index_is>(&choice)) {
        if (index->value < devices.size())
            found.push_back(&devices[index->value]);
    } else {
        for (const auto& device : devices)
            if (matches(choice, device))
                found.push_back(&device);
    }
    if (found.size() == 1)
        return found.front();
    if (found.size() > 1) {
        f.set(errc::device_ambiguous, "{}: {} devices match: {}; name one by its address",
              which.text(), found.size(), describe(found));
        return nullptr;
    }
    std::vector<const device_info*> all;
    for (const auto& device : devices)
        all.push_back(&device);
    if (all.empty())
        f.set(errc::device_not_found,
              "{}: this machine has no ivshmem device; give the VM one (QEMU: -device "
              "ivshmem-plain or ivshmem-doorbell)",
              which.text());
    else
        f.set(errc::device_not_found, "{}: no such ivshmem device; there is {}", which.text(),
              describe(all));
    return nullptr;
}

const device_info* choose_device(const selector& which, const discovery& found, failure& f) {
    const auto* const chosen = choose_device(which, std::span{found.devices}, f);
    const auto* const address = std::get_if<pci_address>(&which.what());
    if (chosen != nullptr || address == nullptr)
        return chosen;
    for (const auto& other : found.others)
        if (other.address == *address)
            f.set(errc::device_not_found,
                  "{}: is the PCI device {:04x}:{:04x}, which is no ivshmem device (1af4:1110 or "
                  "110a:4106); if the VM was set up with one at this address, its ids were changed",
                  which.text(), other.vendor, other.device);
    return nullptr;
}

const device_info& selector::choose(std::span<const device_info> devices) const {
    return *throwing([&](failure& f) { return choose_device(*this, devices, f); });
}

const device_info* selector::choose(std::span<const device_info> devices,
                                    std::error_code& ec) const {
    return reporting(ec, [&](failure& f) { return choose_device(*this, devices, f); });
}

const device_info& selector::choose(const discovery& found) const {
    return *throwing([&](failure& f) { return choose_device(*this, found, f); });
}

const device_info* selector::choose(const discovery& found, std::error_code& ec) const {
    return reporting(ec, [&](failure& f) { return choose_device(*this, found, f); });
}

} // namespace ivshmem
