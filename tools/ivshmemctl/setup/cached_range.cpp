// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/cached_range.hpp"

#include "common/print.hpp"
#include "setup/mtrr.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <string>
#include <system_error>
#include <vector>

namespace ivshmemctl {
namespace {

namespace fs = std::filesystem;
using ranges = std::vector<mtrr_range>;

constexpr const char* mtrr_file = "/proc/mtrr";

/// The record of a range that was dropped for a device: the file ADDRESS.mtrr-BASE-SIZE.
struct record {
    std::string path;
    std::string address;
    mtrr_range range;
};

std::string record_path(const std::string& address, const mtrr_range& range) {
    return tools::format("{}/{}.mtrr-{:#x}-{:#x}", records_folder, address, range.base, range.size);
}

std::vector<record> records(const fs::path& root) {
    std::vector<record> result;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator{root / &records_folder[1], ec}) {
        const auto name = entry.path().filename().string();
        const auto dot = name.find(".mtrr-");
        mtrr_range range;
        if (dot != std::string::npos &&
            std::sscanf(name.c_str() + dot, ".mtrr-0x%" SCNx64 "-0x%" SCNx64, &range.base,
                        &range.size) == 2)
            result.push_back({records_folder + ("/" + name), name.substr(0, dot), range});
    }
    std::sort(result.begin(), result.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    return result;
}

/// Drops a range that was added again. Its register is not known in advance.
operation drop_again(const mtrr_range& range) {
    return {
        tools::format("drop {} from {}", range.line(), mtrr_file), [=](blocked_signals& stop) {
            for (const auto& now :
                 uncachable_over("/", {range.base, range.size, 0}).value_or(ranges{}))
                if (now == range)
                    write_line(mtrr_file, tools::format("disable={}", now.number)).perform(stop);
        }};
}

} // namespace

void add_cached(transaction& plan, const ivshmem::device_info& device, const fs::path& root) {
    const auto name = to_string(device.address);
    const auto remember = [&](const mtrr_range& range) {
        const auto path = record_path(name, range);
        const auto make = make_file(path, range.line());
        if (!plan.has(make))
            plan.add(make, {remove_file(path)});
    };
    for (const auto& range : uncachable_over(root, device.bars[2]).value_or(ranges{})) {
        remember(range);
        const auto drop = write_line(mtrr_file, tools::format("disable={}", range.number));
        if (!plan.has(drop)) // two devices may lie in one range
            plan.add(drop, {write_line(mtrr_file, range.line())});
    }
    for (const auto& other : records(root))
        if (other.address != name && other.range.overlaps(device.bars[2]))
            remember(other.range);
}

void add_uncached(transaction& plan, const ivshmem::device_info& device, const fs::path& root) {
    const auto all = records(root);
    for (const auto& own : all) {
        if (own.address != to_string(device.address))
            continue;
        plan.add(remove_file(own.path), {make_file(own.path, own.range.line())});
        const bool last = std::all_of(all.begin(), all.end(), [&](const auto& other) {
            return !(other.range == own.range) || plan.has(remove_file(other.path));
        });
        if (last)
            plan.add(write_line(mtrr_file, own.range.line()), {drop_again(own.range)});
    }
}

} // namespace ivshmemctl
