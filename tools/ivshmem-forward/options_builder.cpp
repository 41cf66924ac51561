// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options_builder.hpp"

#include "base/text.hpp"
#include "service/device_settings.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <system_error>

namespace ivshmem_forward {
namespace {

using ivshmem::failure;
using named = options_builder::named;

connections::address address_of(const named& s, failure& f) {
    try {
        auto parsed = connections::address::parse(s.value);
        if (s.in_file && !parsed.path().empty() && !parsed.path().starts_with('/'))
            refuse(s, s.value + ": a file takes the absolute path of a socket", f);
        return parsed;
    } catch (const std::invalid_argument& e) {
        refuse(s, e.what(), f);
    }
    return {};
}

void check_name(const named& s, const std::string& name, failure& f) {
    constexpr std::size_t longest = 59; // channel-layout.md
    if (name.empty() || name.size() > longest || std::any_of(name.begin(), name.end(), [](char c) {
            return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
        }))
        refuse(s, "the name of a service has 1 to 59 bytes, and no control characters", f);
}

::mode_t mode_of(const named& s, failure& f) {
    unsigned mode = 0;
    const char* const end = s.value.data() + s.value.size();
    const auto [rest, failed] = std::from_chars(s.value.data(), end, mode, 8);
    if (failed != std::errc{} || rest != end || mode > 0777)
        refuse(s, ivshmem::formatted("\"{}\": it takes an octal mode, such as 0660", s.value), f);
    return static_cast<::mode_t>(mode);
}

} // namespace

void options_builder::take(const named& s, failure& f) {
    if (s.key == "listen")
        return begin_listen(s, f);
    if (s.key == "offer")
        return begin_offer(s, f);
    const bool of_listen = s.key == "to" || s.key == "wait" || s.key == "mode";
    const bool of_offer = s.key == "from" || s.key == "allow";
    if (!of_listen && !of_offer && s.key != "connections")
        return take_global(s, f);
    if (open_ == part::none || (of_listen && open_ == part::offer) ||
        (of_offer && open_ == part::listen)) {
        const char* const first = of_listen ? "listen" : of_offer ? "offer" : "listen or offer";
        return refuse(s, ivshmem::formatted("it follows {}, which begins a service", first), f);
    }
    if (const auto [at, fresh] = of_service_.emplace(s.key, s.where); !fresh)
        return refuse(s, "it is already set for this service: " + at->second, f);
    if (open_ == part::listen)
        take_of_listen(s, f);
    else
        take_of_offer(s, f);
}

void options_builder::take_global(const named& s, failure& f) {
    of_program_.take(s, f);
    if (!f)
        service::take_device_setting(s, of_program_, result_.common, result_.place, f);
}

void options_builder::begin(const named& s, part which, failure& f) {
    end_source(f);
    open_ = which;
    of_service_.clear();
    of_service_.emplace(s.key, s.where);
}

void options_builder::begin_listen(const named& s, failure& f) {
    begin(s, part::listen, f);
    if (f)
        return;
    for (const auto& other : result_.listens)
        if (other.at.text() == s.value)
            return refuse(s, s.value + ": it is named already: " + other.where, f);
    result_.listens.push_back({.where = s.where, .at = address_of(s, f)});
}

void options_builder::begin_offer(const named& s, failure& f) {
    begin(s, part::offer, f);
    if (f)
        return;
    for (const auto& other : result_.offers)
        if (other.name == s.value)
            return refuse(s, s.value + ": it is offered already: " + other.where, f);
    check_name(s, s.value, f);
    if (const auto problem = connections::why_unreachable(s.value); !f && problem)
        refuse(s, *problem, f);
    result_.offers.push_back({.where = s.where, .name = s.value});
}

void options_builder::take_of_listen(const named& s, failure& f) {
    auto& into = result_.listens.back();
    constexpr std::uint32_t hour = 3600;
    if (s.key == "to") {
        into.to = connections::target::parse(s.value);
        check_name(s, into.to.name, f);
    } else if (s.key == "wait") {
        into.wait = std::chrono::seconds{number_of(s, 1, hour, f)};
    } else if (s.key == "connections") {
        into.connections = number_of(s, 1, connections::most_connections, f);
    } else if (into.at.path().empty()) {
        refuse(s, into.at.text() + ": only a UNIX socket has a mode", f);
    } else {
        into.mode = mode_of(s, f);
    }
}

void options_builder::take_of_offer(const named& s, failure& f) {
    auto& into = result_.offers.back();
    if (s.key == "from") {
        into.from = address_of(s, f);
    } else if (s.key == "connections") {
        into.connections = number_of(s, 1, connections::most_connections, f);
    } else {
        into.allowed = connections::parse_slots(s.value);
        if (!into.allowed)
            refuse(s, ivshmem::formatted("\"{}\"{}", s.value, connections::is_no_slot_list), f);
    }
}

void options_builder::end_source(failure& f) {
    const part ended = open_;
    open_ = part::none;
    if (f || ended == part::none)
        return;
    const bool listens = ended == part::listen;
    const char* const needed = listens ? "to" : "from";
    if (!of_service_.contains(needed))
        f.set(std::make_error_code(std::errc::invalid_argument),
              ivshmem::formatted("{}: it needs {}", of_service_.at(listens ? "listen" : "offer"),
                                 listens ? "to, the service of a peer"
                                         : "from, the address of the program that serves"));
}

} // namespace ivshmem_forward
