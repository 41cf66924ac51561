// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/named_setting.hpp"

#include "base/text.hpp"
#include "service/size_option.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

namespace service {

using ivshmem::failure;

namespace {

/// Returns the file, or those of a directory in the order of their names.
std::vector<std::string> files_of(const std::string& path, failure& f) {
    std::error_code ec;
    if (!std::filesystem::is_directory(path, ec))
        return {path};
    std::vector<std::string> files;
    auto at = std::filesystem::directory_iterator{path, ec};
    for (; !ec && at != std::filesystem::directory_iterator{}; at.increment(ec))
        if (const auto name = at->path().filename().string();
            name.ends_with(".conf") && !name.starts_with('.'))
            files.push_back(at->path().string());
    if (ec)
        f.set(ec, path + ": cannot list the configuration: " + ec.message());
    std::sort(files.begin(), files.end());
    return files;
}

/// Returns a decimal number; empty if the text is none, or too large.
template <typename Number>
std::optional<Number> parsed(std::string_view text) {
    Number number = 0;
    const auto [rest, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed != std::errc{} || rest != text.data() + text.size())
        return {};
    return number;
}

} // namespace

void refuse(const named_setting& s, const std::string& why, failure& f) {
    f.set(std::make_error_code(std::errc::invalid_argument), s.where + ": " + why);
}

std::uint32_t number_of(const named_setting& s, std::uint32_t least, std::uint32_t most,
                        failure& f) {
    const auto number = parsed<std::uint32_t>(s.value);
    if (number && *number >= least && *number <= most)
        return *number;
    refuse(s, ivshmem::formatted("\"{}\": it takes {} to {}", s.value, least, most), f);
    return 0;
}

std::uint64_t size_of(const named_setting& s, std::uint64_t least, std::uint64_t most, failure& f) {
    std::string text = s.value;
    const bool is_size = convert_size(text).empty();
    if (const auto bytes = parsed<std::uint64_t>(text);
        is_size && bytes && *bytes >= least && *bytes <= most)
        return *bytes;
    refuse(s,
           ivshmem::formatted("\"{}\": it takes {} to {} bytes, such as 64K", s.value, least, most),
           f);
    return 0;
}

void settings_once::take(const named_setting& s, failure& f) {
    if (const auto [at, fresh] = where_.emplace(s.key, s.where); !fresh && s.in_file)
        refuse(s, "all services have one, which is already set: " + at->second, f);
}

void settings_once::exclude(const named_setting& s, const std::string& other, failure& f) const {
    // The command line overrides the files.
    if (const auto at = where_.find(other);
        at != where_.end() && (s.in_file || at->second.starts_with("--")))
        refuse(s, ivshmem::formatted("{} is set: {}", other, at->second), f);
}

void read_files(const std::string& path, const config_format& format,
                const std::function<void(const named_setting&)>& take,
                const std::function<void()>& end, failure& f) {
    for (const auto& file : files_of(path, f)) {
        if (f)
            return;
        for (const auto& s : read_settings(file, format, f)) {
            if (!f)
                take({.where = ivshmem::formatted("{}:{}: {}", file, s.line, s.key),
                      .key = s.key,
                      .value = s.value,
                      .in_file = true});
        }
        if (!f)
            end();
    }
}

} // namespace service
