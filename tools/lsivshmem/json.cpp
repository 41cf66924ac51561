// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "json.hpp"

#include "common/device_json.hpp"
#include "common/device_text.hpp"
#include "common/print.hpp"
#include "pci_access.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

namespace lsivshmem {
namespace {

namespace json = boost::json;
using ivshmem::device_info;

json::value text_or_null(std::string_view value) {
    return value.empty() ? json::value(nullptr) : json::value(value);
}

template <typename T>
json::value number(const std::optional<T>& value) {
    return value ? json::value(std::int64_t{*value}) : json::value(nullptr);
}

json::value size_or_null(std::uint64_t bytes) {
    return bytes == 0 ? json::value(nullptr) : bytes;
}

json::array bars(const device_info& info) {
    json::array result;
    for (std::size_t i = 0; i < info.bars.size(); ++i) {
        const auto& bar = info.bars.at(i);
        if (bar.present())
            result.push_back({{"index", i},
                              {"purpose", tools::bar_purpose(info, i)},
                              {"start", bar.start},
                              {"size", bar.size},
                              {"64bit", bar.is_64bit()},
                              {"prefetchable", bar.prefetchable()}});
    }
    return result;
}

json::array members(const device_info& info) {
    json::array result;
    for (const auto& member : info.group_members)
        result.push_back({{"address", to_string(member.address)},
                          {"driver", text_or_null(member.driver)},
                          {"bridge", member.bridge}});
    return result;
}

std::string lower(std::string_view name) {
    std::string result{name};
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

/// Returns the members that are not just the text of their column.
json::object structured(const listed_device& device) {
    const auto& [info, verdict] = device;
    return {{"revision", number(info.revision)},
            {"size", size_or_null(info.memory_size())},
            {"start", info.bars[2].present() ? json::value(info.bars[2].start) : nullptr},
            {"sections", tools::sections_json(info)},
            {"vectors", number(info.vectors)},
            {"region", number(info.acrn_region)},
            {"group", number(info.iommu_group)},
            {"noiommu", info.noiommu},
            {"members", members(info)},
            {"nodes", tools::nodes_json(info)},
            {"numa", number(info.numa_node)},
            {"enabled", info.enabled},
            {"gone", info.gone},
            {"bars", bars(info)},
            {"map", verdict.can_map},
            {"ring", verdict.can_ring},
            {"interrupt", verdict.can_interrupt},
            {"unread", json::value_from(info.problems)}};
}

} // namespace

void print_json(const options& o, std::span<const listed_device> devices) {
    auto columns = parse_columns(o.columns.empty() ? column_names() : o.columns);
    if (o.columns.empty()) // USE repeats map, ring and interrupt; NAME would load pci.ids
        std::erase_if(columns, [](const auto* c) {
            return c->name == std::string_view{"USE"} || c->name == std::string_view{"NAME"} ||
                   c->name == std::string_view{"PART"};
        });
    const bool named = std::any_of(columns.begin(), columns.end(), [](const auto* c) {
        return c->name == std::string_view{"NAME"};
    });
    std::optional<pci_library> names;
    if (named && !devices.empty())
        names.emplace(o.sysroot);
    const style plain{true, names ? &*names : nullptr};

    // One device per line: small for programs, and readable without one.
    tools::print("{{\"version\": {}, \"devices\": [", json_version);
    const char* separator = "\n";
    for (const auto& device : devices) {
        const auto special = structured(device);
        json::object members_of;
        for (const auto* c : columns) {
            const auto key = lower(c->name);
            const auto* found = special.if_contains(key);
            members_of[key] =
                found != nullptr ? *found : text_or_null(c->value({device, {}}, plain));
        }
        tools::print("{}{}", std::exchange(separator, ",\n"), json::serialize(members_of));
    }
    tools::print("\n]}}\n");
}

} // namespace lsivshmem
