// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/sysfs.hpp"

#include "base/unique_fd.hpp"

#include <climits>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace ivshmem {
namespace {

struct close_dir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

bool printable(char c) {
    return c >= 0x20 && c < 0x7f;
}

} // namespace

std::string sysfs_dir::path(std::string_view name) const {
    std::string result;
    result.reserve(path_.size() + 1 + name.size());
    return result.append(path_).append(1, '/').append(name);
}

bool sysfs_dir::has(std::string_view name) const {
    struct stat status {};
    return ::lstat(path(name).c_str(), &status) == 0;
}

std::optional<std::vector<std::string>> sysfs_dir::entries(failure& f) const {
    const std::unique_ptr<DIR, close_dir> dir{::opendir(path_.c_str())};
    if (!dir) {
        f.set_errno(errno, "{}: cannot be listed", path_);
        return std::nullopt;
    }
    std::vector<std::string> names;
    while (true) {
        errno = 0;
        const auto* entry = ::readdir(dir.get()); // NOLINT(concurrency-mt-unsafe): own stream
        if (entry == nullptr)
            break;
        const std::string_view name{&entry->d_name[0]};
        if (name != "." && name != "..")
            names.emplace_back(name);
    }
    if (errno != 0) {
        f.set_errno(errno, "{}: cannot be listed", path_);
        return std::nullopt;
    }
    return names;
}

std::optional<std::string> sysfs_dir::bytes(std::string_view name, std::size_t limit,
                                            failure& f) const {
    const auto file = path(name);
    // Checks the type of the file before opening it, because opening a device may act on it. If a
    // FIFO replaces the file in between, O_NONBLOCK keeps open() from waiting for a writer.
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) {
        f.set_errno(errno, "{}: cannot be read", file);
        return std::nullopt;
    }
    if (!S_ISREG(status.st_mode)) {
        f.set(errc::sysfs_malformed, "{}: is no regular file", file);
        return std::nullopt;
    }
    const unique_fd fd{retry_eintr(
        [&] { return ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); })};
    if (!fd) {
        f.set_errno(errno, "{}: cannot be read", file);
        return std::nullopt;
    }
    std::string content;
    while (content.size() < limit) {
        std::array<char, 4096> chunk; // NOLINT(*-member-init): read() fills the used part
        const auto want = std::min(chunk.size(), limit - content.size());
        const auto got = retry_eintr([&] { return ::read(fd.get(), chunk.data(), want); });
        if (got < 0) {
            f.set_errno(errno, "{}: cannot be read", file);
            return std::nullopt;
        }
        if (got == 0)
            break;
        content.append(chunk.data(), static_cast<std::size_t>(got));
    }
    return content;
}

std::optional<std::string> sysfs_dir::text(std::string_view name, failure& f) const {
    auto content = bytes(name, max_read + 1, f);
    if (!content)
        return std::nullopt;
    if (content->size() > max_read) {
        f.set(errc::sysfs_malformed, "{}: is longer than {} bytes", path(name), max_read);
        return std::nullopt;
    }
    if (!content->empty() && content->back() == '\n')
        content->pop_back();
    if (!std::all_of(content->begin(), content->end(),
                     [](char c) { return printable(c) || c == '\n'; })) {
        f.set(errc::sysfs_malformed, "{}: holds {} instead of text", path(name),
              in_quotes(*content));
        return std::nullopt;
    }
    return content;
}

std::optional<std::uint64_t> sysfs_dir::number(std::string_view name, std::uint64_t max,
                                               failure& f) const {
    const auto content = text(name, f);
    if (!content)
        return std::nullopt;
    const auto value = parse_number(*content);
    if (!value)
        f.set(errc::sysfs_malformed, "{}: holds {} instead of a number", path(name),
              in_quotes(*content));
    else if (*value > max)
        f.set(errc::sysfs_malformed, "{}: {} is more than {:#x}", path(name), *content, max);
    else
        return value;
    return std::nullopt;
}

std::optional<std::string> sysfs_dir::link(std::string_view name, failure& f) const {
    const auto file = path(name);
    std::array<char, PATH_MAX> buffer; // NOLINT(*-member-init): readlink() fills the used part
    const auto length = ::readlink(file.c_str(), buffer.data(), buffer.size());
    if (length < 0) {
        if (errno == EINVAL)
            f.set(errc::sysfs_malformed, "{}: is no symbolic link", file);
        else
            f.set_errno(errno, "{}: cannot be read", file);
        return std::nullopt;
    }
    const std::string_view target{buffer.data(), static_cast<std::size_t>(length)};
    const auto last = target.substr(target.rfind('/') + 1);
    const auto clean = std::all_of(last.begin(), last.end(), printable);
    if (last.empty() || last == "." || last == ".." || !clean) {
        f.set(errc::sysfs_malformed, "{}: leads to {}", file, in_quotes(target));
        return std::nullopt;
    }
    return std::string{last};
}

bool is_absent(const failure& f) noexcept {
    return f.code() == std::error_code{ENOENT, std::system_category()};
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    if (hex)
        text.remove_prefix(2);
    std::uint64_t value = 0;
    const auto* end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, value, hex ? 16 : 10);
    if (text.empty() || result.ec != std::errc{} || result.ptr != end)
        return std::nullopt;
    return value;
}

std::string in_quotes(std::string_view text) {
    constexpr std::size_t most = 32;
    std::string result = "\"";
    for (const char c : text.substr(0, most)) {
        if (printable(c) && c != '"' && c != '\\')
            result += c;
        else
            result += formatted("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return result += text.size() > most ? "...\"" : "\"";
}

} // namespace ivshmem
