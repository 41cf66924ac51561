// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "outbox.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace ivshmem_gateway {

void outbox::add(outgoing message) {
    bytes_ += message.size();
    line_.push_back({++added_, std::move(message)});
}

outgoing outbox::drop_next() {
    outgoing dropped = std::move(line_.front().message);
    line_.pop_front();
    bytes_ -= dropped.size();
    return dropped;
}

std::optional<outgoing> outbox::send_next(int id) {
    auto replaced = take(id);
    sent_.emplace(id, std::move(line_.front()));
    line_.pop_front();
    return replaced;
}

std::optional<outgoing> outbox::take(int id) {
    const auto at = sent_.find(id);
    if (at == sent_.end())
        return std::nullopt;
    outgoing taken = std::move(at->second.message);
    sent_.erase(at);
    bytes_ -= taken.size();
    return taken;
}

void outbox::send_again(bool with_qos) {
    std::vector<entry> again;
    for (auto at = sent_.begin(); at != sent_.end();) {
        const auto each = at++;
        if (!with_qos && each->second.message.qos != 0)
            continue;
        again.push_back(std::move(each->second));
        sent_.erase(each);
    }
    std::sort(again.begin(), again.end(),
              [](const entry& a, const entry& b) { return a.number < b.number; });
    line_.insert(line_.begin(), std::make_move_iterator(again.begin()),
                 std::make_move_iterator(again.end()));
}

} // namespace ivshmem_gateway
