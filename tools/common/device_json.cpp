// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "device_json.hpp"

#include "device_text.hpp"

namespace tools {

namespace json = boost::json;

json::array nodes_json(const ivshmem::device_info& info) {
    json::array result;
    for (const auto* node : nodes_of(info))
        result.push_back({{"path", node->path},
                          {"exists", node->exists},
                          {"readable", node->readable},
                          {"writable", node->writable}});
    return result;
}

json::value sections_json(const ivshmem::device_info& info) {
    if (!info.v2)
        return nullptr;
    return {{"state_table", info.v2->state_table},
            {"read_write", info.v2->read_write},
            {"output", info.v2->output},
            {"base", info.v2->base ? json::value(*info.v2->base) : json::value(nullptr)}};
}

} // namespace tools
