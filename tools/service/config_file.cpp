// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/config_file.hpp"

#include "base/text.hpp"
#include "base/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// CLI11's own reader of such files names neither file nor line in its errors, and treats a folder
// as an empty file.

namespace service {

namespace {

using ivshmem::failure;

constexpr std::size_t most_bytes = 65536;
constexpr const char* is_a_file = "--config takes a text file of lines KEY = VALUE";

using kind = config_key::kind;

std::string_view trimmed(std::string_view text) {
    constexpr const char* blank = " \t\r";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

/// Removes a comment: a # that begins the line or follows a blank. Names may contain a #.
std::string_view uncommented(std::string_view line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
            return line.substr(0, i);
    }
    return line;
}

/// Quotes the text, shortened to fit into a message.
std::string in_quotes(std::string_view text) {
    constexpr std::size_t most = 60;
    return text.size() <= most ? ivshmem::formatted("\"{}\"", text)
                               : ivshmem::formatted("\"{}...\"", text.substr(0, most));
}

void set_failure(const std::string& path, unsigned line, const std::string& what, failure& f) {
    f.set(std::make_error_code(std::errc::invalid_argument),
          ivshmem::formatted("{}:{}: {}", path, line, what));
}

std::string text_of(const std::string& path, std::string_view manual, failure& f) {
    // O_NONBLOCK: opening a FIFO must not block before it is refused.
    const ivshmem::unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!fd && (errno == EACCES || errno == EPERM)) {
        f.set_errno(errno,
                    "{}: cannot read the configuration; make it readable for its user (a service "
                    "has its own: chmod a+r)",
                    path);
        return {};
    }
    if (!fd) {
        f.set_errno(errno, "{}: cannot read the configuration; {} describes it", path, manual);
        return {};
    }
    struct stat now {};
    if (::fstat(fd.get(), &now) != 0 || !S_ISREG(now.st_mode)) {
        f.set(std::make_error_code(std::errc::invalid_argument),
              ivshmem::formatted("{}: it is {}; {}", path,
                                 S_ISDIR(now.st_mode) ? "a directory" : "not a regular file",
                                 is_a_file));
        return {};
    }
    std::string text(most_bytes + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t got =
            ivshmem::retry_eintr([&] { return ::read(fd.get(), &text[size], text.size() - size); });
        if (got < 0) {
            f.set_errno(errno, "{}: cannot read the configuration", path);
            return {};
        }
        if (got == 0)
            break;
        size += static_cast<std::size_t>(got);
    }
    if (size > most_bytes)
        f.set(std::make_error_code(std::errc::file_too_large),
              ivshmem::formatted("{}: longer than {} bytes; {}", path, most_bytes, is_a_file));
    text.resize(size);
    return text;
}

/// Returns whether all bytes are text. Other bytes would garble a message that quotes them.
bool is_text(std::string_view line) {
    return std::none_of(line.begin(), line.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < ' ' && byte != '\t' && byte != '\r') || byte == 0x7f;
    });
}

auto find_key(const config_format& format, std::string_view name) {
    return std::find_if(format.keys.begin(), format.keys.end(),
                        [&](const config_key& k) { return k.name == name; });
}

std::string key_names(const config_format& format) {
    std::string names;
    for (const config_key& k : format.keys)
        names += ivshmem::formatted("{}{}", names.empty() ? "" : ", ", k.name);
    return names;
}

bool fits(kind what, std::string_view value) {
    if (value.empty() || value.front() == '"' || value.front() == '\'')
        return false;
    // Rejects 010, which the command line would read as octal.
    const bool octal = value.size() > 1 && value.front() == '0';
    switch (what) {
    case kind::number:
        return !octal && value.find_first_not_of("0123456789") == std::string_view::npos;
    case kind::size:
        return !octal && value.front() >= '0' && value.front() <= '9';
    case kind::flag:
        return value == "true" || value == "false";
    case kind::path:
        return value.front() == '/';
    case kind::name:
        break;
    }
    return true;
}

/// Parses a line that is neither empty nor a comment.
setting parse_line(const std::string& path, const config_format& format, unsigned number,
                   std::string_view line, failure& f) {
    const auto equals = line.find('=');
    const auto name = trimmed(line.substr(0, equals));
    if (equals == std::string_view::npos || name.empty()) {
        set_failure(path, number, in_quotes(line) + ": a line is KEY = VALUE, or a comment after #",
                    f);
        return {};
    }
    const auto& elsewhere = format.command_line_only;
    if (std::find(elsewhere.begin(), elsewhere.end(), name) != elsewhere.end()) {
        set_failure(path, number,
                    ivshmem::formatted("{}: not allowed in a file; give --{} on the command line",
                                       name, name),
                    f);
        return {};
    }
    const auto key = find_key(format, name);
    if (key == format.keys.end()) {
        set_failure(
            path, number,
            ivshmem::formatted("unknown key {}; there are {}", in_quotes(name), key_names(format)),
            f);
        return {};
    }
    setting s{.line = number,
              .key = std::string{name},
              .value = std::string{trimmed(line.substr(equals + 1))},
              .takes = key->takes};
    if (!fits(key->what, s.value))
        refuse(path, s, f);
    return s;
}

/// Returns the earlier setting that conflicts with this one.
const setting* conflicting_setting(const std::vector<setting>& earlier, const setting& s,
                                   const config_key& key) {
    const auto found = std::find_if(earlier.begin(), earlier.end(), [&](const setting& e) {
        return (e.key == s.key && !key.repeats) || e.key == key.excludes;
    });
    return found == earlier.end() ? nullptr : &*found;
}

} // namespace

void refuse(const std::string& path, const setting& s, failure& f) {
    const bool is_quoted = s.value.find_first_of("\"'") == 0;
    const char* const advice = s.value.empty() ? "; remove the line for the default"
                               : is_quoted     ? ", without quotes"
                                               : "";
    set_failure(path, s.line,
                ivshmem::formatted("{} = {}: {} takes {}{}", s.key, in_quotes(s.value), s.key,
                                   s.takes, advice),
                f);
}

std::vector<setting> read_settings(const std::string& path, const config_format& format,
                                   failure& f) {
    std::vector<setting> settings;
    const std::string text = text_of(path, format.manual, f);
    std::string_view rest = text;
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf"; // UTF-8, as some editors begin it
    if (rest.starts_with(byte_order_mark))
        rest.remove_prefix(byte_order_mark.size());
    for (unsigned number = 1; !f && !rest.empty(); ++number) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto whole = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!is_text(whole)) {
            set_failure(path, number,
                        ivshmem::formatted("it has bytes that are not text; {}", is_a_file), f);
            break;
        }
        const auto line = trimmed(uncommented(whole));
        if (line.empty())
            continue;
        setting s = parse_line(path, format, number, line, f);
        if (f)
            break;
        if (const setting* const other =
                conflicting_setting(settings, s, *find_key(format, s.key))) {
            set_failure(path, number,
                        ivshmem::formatted("{}: {} is already set in line {}; remove one of them",
                                           s.key, other->key, other->line),
                        f);
            break;
        }
        settings.push_back(std::move(s));
    }
    return settings;
}

} // namespace service
