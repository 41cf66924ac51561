// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "caught_signals.hpp"
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "memory/descriptor.hpp"
#include "memory/memory_part.hpp"
#include "number.hpp"
#include "progress.hpp"
#include "subcommands.hpp"

#include <memory>
#include <stdexcept>
#include <vector>

namespace ivshmemctl {
namespace {

struct read_options {
    memory_options memory{};
    std::string output{};
};

int read(const common_options& common, const read_options& options) {
    refuse_json(common, "read");
    memory_part part{common, options.memory};
    auto output = descriptor::for_writing(options.output); // a FIFO may have no reader yet
    const caught_signals signals;
    if (options.output.empty() && output.is_terminal())
        throw std::runtime_error{"read: standard output is a terminal; name a file with -o, or use "
                                 "'dump' for readable output"};
    progress bar{common, "read", part.size(), options.output.empty()};
    std::vector<std::byte> bytes(memory_part::piece);
    std::uint64_t at = 0;
    while (at < part.size() && !caught_signals::arrived()) {
        const auto now = part.rest(at, bytes);
        part.read(at, now);
        at += output.write(now);
        bar.update(at);
    }
    bar.clear();
    if (at < part.size())
        caught_signals::exit(
            tools::format("{} of {} were read into {}", at, part.text(), output.name()));
    output.close();
    return tools::exit_success;
}

} // namespace

void add_read(subcommands& line) {
    auto sub = line.add("read", "copy memory to a file");
    sub.footer(number_help);
    auto options = std::make_shared<read_options>();
    sub.add_option({"-o,--output", "FILE", "the file (the standard output)"}, options->output);
    add_memory_options(sub, options->memory, false);
    sub.set_action([options](const common_options& common) { return read(common, *options); });
}

} // namespace ivshmemctl
