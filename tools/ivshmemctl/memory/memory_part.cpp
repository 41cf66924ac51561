// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "memory/memory_part.hpp"

#include "common/print.hpp"
#include "memory/aligned_copy.hpp"
#include "number.hpp"
#include "open_device.hpp"

#include <algorithm>
#include <stdexcept>

#include <unistd.h>

namespace ivshmemctl {

void add_cache_option(subcommand& sub, std::optional<ivshmem::cache_mode>& cache) {
    const option_text text{"--cache", "MODE",
                           "map the memory write-back, write-combining or uncached instead of the "
                           "best of these"};
    sub.add_option(text, [&cache](const std::string& name) {
        using ivshmem::cache_mode;
        for (const auto mode :
             {cache_mode::write_back, cache_mode::write_combining, cache_mode::uncached})
            if (name == to_string(mode))
                cache = mode;
        if (!cache)
            throw usage_error{"--cache: takes write-back, write-combining or uncached"};
    });
}

void add_memory_options(subcommand& sub, memory_options& options, bool required) {
    add_number(sub, {"OFFSET", "", required ? "where to begin" : "where to begin (0)", required},
               options.offset);
    add_number(sub, {"LENGTH", "", "how many bytes (up to the end of the memory)"}, options.length);
    add_cache_option(sub, options.cache);
}

memory_part::memory_part(const common_options& common, const memory_options& options)
    : common_{common}, cache_{options.cache}, device_{open_device(common, cache_,
                                                                  no_memory(common))},
      name_{name_of(device_)}, offset_{options.offset.value_or(0)}, end_{memory_size(device_)} {
    if (offset_ > end_ || options.length.value_or(0) > end_ - offset_)
        throw std::runtime_error{tools::format(
            "{}: {} from {:#x} on are past the end of the memory, which has {} bytes "
            "({:#x}); use a smaller OFFSET or LENGTH",
            name_, options.length ? tools::format("{} bytes", *options.length) : "the bytes",
            offset_, end_, end_)};
    size_ = options.length.value_or(end_ - offset_);
}

std::string memory_part::text() const {
    return tools::format("{} bytes at {:#x} of {}", size_, offset_, name_);
}

std::span<std::byte> memory_part::bytes(std::uint64_t at, std::size_t count) {
    const auto begin = offset_ + at;
    const auto mapped = [&] {
        return begin >= window_begin_ && begin + count - window_begin_ <= device_.memory().size();
    };
    if (!mapped()) {
        const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        window_begin_ = begin - begin % page;
        const auto wanted = std::min(offset_ + size_, window_begin_ + largest_window);
        const auto end = std::min(end_, (wanted + page - 1) / page * page);
        device_.close(); // a device may be open only once
        device_ = open_device(common_, cache_,
                              ivshmem::memory_region{window_begin_, end - window_begin_});
    }
    return device_.memory().bytes().subspan(begin - window_begin_, count);
}

void memory_part::read(std::uint64_t at, std::span<std::byte> to) {
    const auto from = bytes(at, to.size());
    copy_from(device_.memory().mode(), from, to.data());
}

void memory_part::write(std::uint64_t at, std::span<const std::byte> from) {
    const auto to = bytes(at, from.size());
    copy_to(device_.memory().mode(), to, from.data());
    ivshmem::shared_memory::publish();
}

void refuse_json(const common_options& common, const std::string& name) {
    if (common.json)
        throw std::runtime_error{name + ": has no JSON output; leave out -J"};
}

} // namespace ivshmemctl
