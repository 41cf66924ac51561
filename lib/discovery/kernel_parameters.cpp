// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/kernel_parameters.hpp"

#include "base/text.hpp"

namespace ivshmem {
namespace {

/// Removes the text before the separator, and it, and returns the text.
std::string_view take(std::string_view& text, std::string_view separators) {
    const auto end = text.find_first_of(separators);
    const auto word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return word;
}

bool has_value(std::string_view values, std::string_view wanted) {
    while (!values.empty())
        if (take(values, ",") == wanted)
            return true;
    return false;
}

} // namespace

std::string kernel_parameters::find(std::string_view name, std::string_view value) const {
    auto rest = line_;
    while (!rest.empty()) {
        const auto word = take(rest, " \t\n");
        if (name.empty() ? word == value
                         : word.starts_with(name) && word.substr(name.size(), 1) == "=" &&
                               has_value(word.substr(name.size() + 1), value))
            return std::string{word};
    }
    return {};
}

std::string kernel_parameters::find(std::initializer_list<setting> settings) const {
    std::string found;
    for (const auto& [name, value] : settings) {
        const auto word = find(name, value);
        if (word.empty())
            continue;
        found += found.empty() ? "" : " and ";
        found += word.find(',') == std::string::npos ? word : formatted("{} of {}", value, word);
    }
    return found;
}

std::string change_parameters(std::string_view remove, std::string_view add) {
    constexpr std::string_view place = "the kernel's command line (GRUB_CMDLINE_LINUX in "
                                       "/etc/default/grub, then update-grub; or QEMU's -append), "
                                       "and reboot";
    if (remove.empty())
        return formatted("add {} to {}", add, place);
    if (add.empty())
        return formatted("remove {} from {}", remove, place);
    return formatted("remove {} from, and add {} to, {}", remove, add, place);
}

} // namespace ivshmem
