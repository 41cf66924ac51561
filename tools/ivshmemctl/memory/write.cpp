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

#include <array>
#include <memory>
#include <stdexcept>
#include <vector>

namespace ivshmemctl {
namespace {

struct write_options {
    memory_options memory{};
    std::string input{};
};

/// Refuses an input that is known not to fit, before anything is written.
/// @return The number of bytes to write; empty if it is unknown until the input ends.
std::optional<std::uint64_t> look_at_sizes(const memory_part& part, const descriptor& input,
                                           bool exact) {
    const auto available = input.size();
    if (available && exact && *available < part.size())
        throw std::runtime_error{tools::format("{}: has {} bytes, fewer than LENGTH, {}; nothing "
                                               "was written",
                                               input.name(), *available, part.size())};
    if (available && !exact && *available > part.size())
        throw std::runtime_error{tools::format(
            "{}: has {} bytes, more than the {}, up to the end of the memory; nothing was written",
            input.name(), *available, part.text())};
    return exact ? part.size() : available;
}

int write(const common_options& common, const write_options& options) {
    refuse_json(common, "write");
    const auto input = descriptor::for_reading(options.input);
    memory_part part{common, options.memory};
    const bool exact = options.memory.length.has_value();
    const auto total = look_at_sizes(part, input, exact);
    const caught_signals signals;
    progress bar{common, "write", total, false};
    std::vector<std::byte> bytes(memory_part::piece);
    std::uint64_t at = 0;
    bool ended = false;
    while (at < part.size() && !ended && !caught_signals::arrived()) {
        const auto room = part.rest(at, bytes);
        const auto got = room.first(input.read(room));
        part.write(at, got);
        at += got.size();
        bar.update(at);
        ended = got.size() < room.size();
    }
    std::array<std::byte, 1> next{};
    const bool more = !ended && !exact && !caught_signals::arrived() && input.read(next) != 0;
    bar.clear();
    if (caught_signals::arrived())
        caught_signals::exit(
            tools::format("{} bytes were written at {:#x} of {}", at, part.offset(), part.name()));
    if (more)
        throw std::runtime_error{tools::format(
            "{}: has more than the {}, up to the end of the memory; these were written",
            input.name(), part.text())};
    if (exact && at < part.size())
        throw std::runtime_error{
            tools::format("{}: has {} bytes, fewer than LENGTH, {}; these were "
                          "written at {:#x}",
                          input.name(), at, part.size(), part.offset())};
    return tools::exit_success;
}

} // namespace

void add_write(subcommands& line) {
    auto sub = line.add("write", "copy a file into memory");
    sub.footer("\nWithout LENGTH the whole input is written, which must fit." +
               std::string{number_help});
    auto options = std::make_shared<write_options>();
    sub.add_option({"-i,--input", "FILE", "the file (the standard input)"}, options->input);
    add_memory_options(sub, options->memory, true);
    sub.set_action([options](const common_options& common) { return write(common, *options); });
}

} // namespace ivshmemctl
