// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "memory/memory_part.hpp"

#include "common/print.hpp"
#include "memory/aligned_copy.hpp"
#include "number.hpp"
#include "open_device.hpp"

#include <stdexcept>

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

memory_part::memory_part(ivshmem::device device, const memory_options& options)
    : device_{std::move(device)}, offset_{options.offset.value_or(0)} {
    const std::uint64_t size = device_.memory().size();
    if (offset_ > size || options.length.value_or(0) > size - offset_)
        throw std::runtime_error{
            tools::format("{}: {} from {:#x} on are past the end of the memory, which has {} bytes "
                          "({:#x}); use a smaller OFFSET or LENGTH",
                          name_of(device_),
                          options.length ? tools::format("{} bytes", *options.length) : "the bytes",
                          offset_, size, size)};
    bytes_ = device_.memory().bytes().subspan(offset_, options.length.value_or(size - offset_));
}

std::string memory_part::text() const {
    return tools::format("{} bytes at {:#x} of {}", size(), offset_, name_of(device_));
}

void memory_part::read(std::uint64_t at, std::span<std::byte> to) const {
    copy_from(device_.memory().mode(), bytes_.subspan(at, to.size()), to.data());
}

void memory_part::write(std::uint64_t at, std::span<const std::byte> from) const {
    copy_to(device_.memory().mode(), bytes_.subspan(at, from.size()), from.data());
    ivshmem::shared_memory::publish();
}

void refuse_json(const common_options& common, const std::string& name) {
    if (common.json)
        throw std::runtime_error{name + ": has no JSON output; leave out -J"};
}

} // namespace ivshmemctl
