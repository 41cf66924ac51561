// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Files of rules of ivshmem-gateway with any bytes, and names of any bytes after it, each after a
// NUL. A file is taken, or refused with one line of text; all rules that are taken can be used; and
// no name leaves the prefix of its rule, or has what a broker or a region does not take.

#include "base/unique_fd.hpp"
#include "must_hold.hpp"
#include "names.hpp"
#include "options_builder.hpp"
#include "service/named_setting.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

namespace {

using test::must_hold;
using namespace ivshmem_gateway;

/// Returns the options of a file. `f` has its fault.
options read_options(std::string_view text, ivshmem::failure& f) {
    const ivshmem::unique_fd file{::memfd_create("rules", MFD_CLOEXEC)};
    must_hold(::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()),
              "there is memory");
    options_builder made;
    made.result().check = true; // no credentials
    service::read_files(
        "/proc/self/fd/" + std::to_string(file.get()), config_file,
        [&](const auto& s) { made.take(s, f); }, [&] { made.end_source(f); }, f);
    made.finish(f);
    return made.result();
}

void check_mapping(const mapping& m, std::string_view name) {
    if (m.by == nullptr)
        return must_hold(!m && m.fault.empty(), "without a rule there is no name");
    must_hold(matches(*m.by, name), "the rule is about the name");
    must_hold(m.name.empty() != m.fault.empty(), "a name is mapped, or has a fault");
    if (!m)
        return;
    const bool out = m.by->way == direction::out;
    must_hold((out ? mqtt_fault(m.name) : topic_fault(m.name)).empty(), "the other side takes it");
    must_hold((out ? topic_fault(name) : mqtt_fault(name)).empty(), "it was valid before");
    const auto& to = m.by->to;
    must_hold(to.ends_with('/') ? m.name.starts_with(to) && m.name.size() > to.size()
                                : m.name == to,
              "it stays in the prefix of its rule");
    must_hold(m.name.front() != '$' &&
                  m.name.find_first_of(std::string_view{"+#\0", 3}) == std::string::npos,
              "it is no filter, and not the broker's own");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest{reinterpret_cast<const char*>(data), size};
    const auto text = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(text.size());
    ivshmem::failure f;
    const auto taken = read_options(text, f);
    if (f) {
        must_hold(!f.message().empty() && f.message().find('\n') == std::string::npos,
                  "a refusal is one line");
        return 0;
    }
    must_hold(!taken.rules.empty(), "something is mapped");
    for (const auto& r : taken.rules) {
        must_hold(rule_fault(r).empty(), "a rule that is taken can be used");
        must_hold(r.qos >= 0 && r.qos <= 2 && r.topics >= 1 && r.topics <= 16, "ranges hold");
    }
    while (!rest.empty()) {
        rest.remove_prefix(1);
        const auto name = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(name.size());
        check_mapping(map_out(taken.rules, name, 1), name);
        check_mapping(map_in(taken.rules, name), name);
    }
    return 0;
}
