// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "config_file.hpp"

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

namespace ivshmem_server {

namespace {

using ivshmem::failure;

constexpr std::size_t most_bytes = 65536;
constexpr const char* is_a_file = "--config takes a text file of lines KEY = VALUE";

enum class kind {
    number, ///< the option of that name checks its range
    size,   ///< the same
    flag,
    name,
    path, ///< absolute, because a service's working directory is unknown
};

struct known_key {
    std::string_view name;
    kind what;
    std::string_view takes;
};
constexpr std::string_view takes_flag = "true or false";
constexpr std::array keys{
    known_key{"size", kind::size,
              "1 to 4611686018427387904 bytes, with or without a suffix K, M or G"},
    known_key{"vectors", kind::number, "a number from 1 to 256"},
    known_key{"max-clients", kind::number, "a number from 1 to 65536"},
    known_key{"max-clients-per-uid", kind::number, "a number from 1 to 65536"},
    known_key{"stall-timeout", kind::number, "0 to 86400 seconds, 0 for no limit"},
    known_key{"no-departures", kind::flag, takes_flag},
    known_key{"verbose", kind::flag, takes_flag},
    known_key{"shm-name", kind::name, "the name of a POSIX shared memory object"},
    known_key{"directory", kind::path, "the absolute path of a directory"},
    known_key{"socket", kind::path, "the absolute path of a socket"},
    known_key{"pid-file", kind::path, "the absolute path of a file"},
};
/// Options that are rejected in a file, because they belong to the start of the server.
constexpr std::array<std::string_view, 4> command_line_only{"config", "foreground", "help",
                                                            "version"};

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

std::string text_of(const std::string& path, failure& f) {
    // O_NONBLOCK: opening a FIFO must not block before it is refused.
    const ivshmem::unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!fd && (errno == EACCES || errno == EPERM)) {
        f.set_errno(errno,
                    "{}: cannot read the configuration; make it readable for the server's user (a "
                    "service has its own user: chmod a+r)",
                    path);
        return {};
    }
    if (!fd) {
        f.set_errno(errno, "{}: cannot read the configuration; ivshmem-server(8) describes it",
                    path);
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

std::string key_names() {
    std::string names;
    for (const known_key& k : keys)
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
setting parse_line(const std::string& path, unsigned number, std::string_view line, failure& f) {
    const auto equals = line.find('=');
    const auto name = trimmed(line.substr(0, equals));
    if (equals == std::string_view::npos || name.empty()) {
        set_failure(path, number, in_quotes(line) + ": a line is KEY = VALUE, or a comment after #",
                    f);
        return {};
    }
    if (std::find(command_line_only.begin(), command_line_only.end(), name) !=
        command_line_only.end()) {
        set_failure(path, number,
                    ivshmem::formatted("{}: not allowed in a file; give --{} on the command line",
                                       name, name),
                    f);
        return {};
    }
    const auto* const key =
        std::find_if(keys.begin(), keys.end(), [&](const known_key& k) { return k.name == name; });
    if (key == keys.end()) {
        set_failure(
            path, number,
            ivshmem::formatted("unknown key {}; there are {}", in_quotes(name), key_names()), f);
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
const setting* conflicting_setting(const std::vector<setting>& earlier, const setting& s) {
    const auto memory = [](const std::string& key) {
        return key == "shm-name" || key == "directory";
    };
    const auto found = std::find_if(earlier.begin(), earlier.end(), [&](const setting& e) {
        return e.key == s.key || (memory(e.key) && memory(s.key));
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

std::vector<setting> read_settings(const std::string& path, failure& f) {
    std::vector<setting> settings;
    const std::string text = text_of(path, f);
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
        setting s = parse_line(path, number, line, f);
        if (f)
            break;
        if (const setting* const other = conflicting_setting(settings, s)) {
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

} // namespace ivshmem_server
