// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "caught_signals.hpp"
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "memory/descriptor.hpp"
#include "memory/hex_dump.hpp"
#include "memory/memory_part.hpp"
#include "number.hpp"
#include "progress.hpp"
#include "subcommands.hpp"

#include <memory>
#include <vector>

namespace ivshmemctl {
namespace {

int dump(const common_options& common, const memory_options& options) {
    refuse_json(common, "dump");
    memory_part part{common, options};
    const caught_signals signals;
    const auto output = descriptor::for_writing({});
    progress bar{common, "dump", part.size(), true};
    hex_dump hex{part.offset(), common.verbosity > 0};
    std::vector<std::byte> bytes(memory_part::piece);
    std::uint64_t at = 0;
    const auto print = [&](const std::string& text) {
        return output.write(std::as_bytes(std::span{text})) == text.size();
    };
    while (at < part.size() && !caught_signals::arrived()) {
        const auto now = part.rest(at, bytes);
        part.read(at, now);
        std::string text;
        hex.add(now, text);
        if (!print(text))
            break;
        at += now.size();
        bar.update(at);
    }
    std::string rest;
    hex.finish(rest);
    if (!caught_signals::arrived() && print(rest))
        return tools::exit_success;
    bar.clear();
    caught_signals::exit(tools::format("{} of {} were printed", at, part.text()));
}

} // namespace

void add_dump(subcommands& line) {
    auto sub = line.add("dump", "print memory in hexadecimal");
    sub.footer("\nThe format is that of hexdump -C: an asterisk stands for lines that repeat the "
               "previous\none; -v prints them." +
               std::string{number_help});
    auto options = std::make_shared<memory_options>();
    add_memory_options(sub, *options, false);
    sub.set_action([options](const common_options& common) { return dump(common, *options); });
}

} // namespace ivshmemctl
