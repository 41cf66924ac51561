// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "forwarder.hpp"

#include <ivshmem/device_info.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace ivshmem_forward {

forwarder::forwarder(boost::asio::io_context& io, ivshmem::device& device, ivshmem::asio::slot slot,
                     std::function<void(std::error_code)> lost)
    : io_{io}, device_{device}, slot_{std::move(slot)}, watch_{slot_, std::move(lost)} {}

forwarder::~forwarder() {
    watch_.end();
}

void forwarder::start(const options& asked, ivshmem::failure& f) {
    for (const auto& one : asked.listens) {
        listens_.emplace_back(slot_, one,
                              listening::hooks{.ended = [this] { end_if_over(); },
                                               .no_lane =
                                                   [this] {
                                                       for (auto& other : listens_)
                                                           other.give_lane_back();
                                                   }},
                              f);
        if (f)
            return;
    }
    for (const auto& one : asked.offers) {
        try {
            offers_.emplace_back(slot_, one, [this] { end_if_over(); });
        } catch (const ivshmem::error& e) {
            return f.set(e.code(), one.where + ": " + e.what());
        }
    }
    for (auto& one : offers_)
        one.start(device_.generation() == ivshmem::device_generation::v2);
    for (auto& one : listens_)
        one.start();
}

void forwarder::stop() {
    if (std::exchange(stopping_, true))
        return io_.stop(); // asked again: at once
    for (auto& one : listens_)
        one.stop();
    for (auto& one : offers_)
        one.stop();
    end_if_over();
}

void forwarder::end_if_over() {
    const auto is_over = [](const auto& one) {
        return one.is_over();
    };
    if (!stopping_ || !std::all_of(listens_.begin(), listens_.end(), is_over) ||
        !std::all_of(offers_.begin(), offers_.end(), is_over))
        return;
    watch_.end();
    // The last channel is being closed by the caller.
    boost::asio::post(io_, [this] {
        slot_.close();
        io_.stop();
    });
}

} // namespace ivshmem_forward
