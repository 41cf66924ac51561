// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/api.hpp"
#include "c/failures.hpp"
#include "c/handles.hpp"
#include "c/slot_object.hpp"

#include <ivshmem/topic_info.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace ivshmem::capi {
namespace {

ivshmem_topic_info in_c(const topic_info& topic) {
    ivshmem_topic_info result{};
    std::memcpy(result.name, topic.name.data(),
                std::min(topic.name.size(), sizeof result.name - 1));
    result.slot = topic.slot;
    result.number = topic.number;
    result.key = topic.key;
    result.sequence = topic.sequence;
    result.time_ns = static_cast<std::uint64_t>(topic.time.time_since_epoch().count());
    result.ring_size = topic.size;
    result.messages = topic.messages;
    result.ended = topic.ended ? 1 : 0;
    result.relayed = topic.relayed ? 1 : 0;
    result.lost = topic.lost ? 1 : 0;
    return result;
}

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_slot_get_topics(ivshmem_slot* slot, ivshmem_topic_info* topics, size_t capacity,
                            size_t* count) {
    return guarded([&] {
        const auto& held = use<slot_object>(slot).held;
        require(count);
        require(topics != nullptr || capacity == 0, "ivshmem_slot_get_topics: topics is NULL");
        const auto found = ivshmem::find_topics(held->slot);
        for (std::size_t i = 0; i < found.size() && i < capacity; ++i)
            topics[i] = in_c(found[i]); // NOLINT: as many as the caller says
        *count = found.size();
    });
}

} // extern "C"
