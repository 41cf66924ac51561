// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "caught_signals.hpp"
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "memory/memory_part.hpp"
#include "number.hpp"
#include "progress.hpp"
#include "subcommands.hpp"

#include <memory>
#include <sstream>
#include <vector>

namespace ivshmemctl {
namespace {

struct fill_options {
    memory_options memory{};
    std::vector<std::byte> pattern{};
};

/// "0", "0xff", "0xde,0xad,0xbe,0xef"
std::vector<std::byte> parse_pattern(const std::string& text) {
    std::vector<std::byte> pattern;
    std::istringstream list{text + ','};
    for (std::string item; std::getline(list, item, ',');) {
        const auto value = parse_number(item);
        if (!value || *value > 0xff)
            throw usage_error{
                tools::format("PATTERN: '{}' is not a byte; use 0 to 255, or 0x0 to 0xff", item)};
        pattern.push_back(static_cast<std::byte>(*value));
    }
    return pattern;
}

int fill(const common_options& common, const fill_options& options) {
    refuse_json(common, "fill");
    memory_part part{common, options.memory};
    const caught_signals signals;
    progress bar{common, "fill", part.size(), false};
    // Holds whole repetitions, so that each piece begins with the pattern.
    std::vector<std::byte> bytes;
    do {
        bytes.insert(bytes.end(), options.pattern.begin(), options.pattern.end());
    } while (bytes.size() < memory_part::piece);
    std::uint64_t at = 0;
    while (at < part.size() && !caught_signals::arrived()) {
        const auto now = part.rest(at, bytes);
        part.write(at, now);
        at += now.size();
        bar.update(at);
    }
    bar.clear();
    if (at < part.size())
        caught_signals::exit(tools::format("{} of {} were filled", at, part.text()));
    return tools::exit_success;
}

} // namespace

void add_fill(subcommands& line) {
    auto sub = line.add("fill", "fill memory with a byte or a pattern");
    sub.footer("\nPATTERN is a byte, 0 to 255, or several separated by commas, which are repeated "
               "from OFFSET\non: 0xde,0xad." +
               std::string{number_help});
    auto options = std::make_shared<fill_options>();
    sub.add_option({"PATTERN", "", "the byte or bytes to write", true},
                   [options](const std::string& text) { options->pattern = parse_pattern(text); });
    add_memory_options(sub, options->memory, true);
    sub.set_action([options](const common_options& common) { return fill(common, *options); });
}

} // namespace ivshmemctl
