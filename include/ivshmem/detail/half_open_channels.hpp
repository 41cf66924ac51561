// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>
#include <ivshmem/service_directory.hpp>
#include <ivshmem/slot.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace ivshmem::detail {

/// Channels that an acceptor has opened for requests, but that are not connected yet.
///
/// A peer may never complete them. So each peer has a share, which its requests fill and no other
/// peer's: a peer that asks on all of its lanes delays only itself. Within the share a request
/// keeps its place for a time; after that, it loses the place to the next request, the oldest
/// first. It is found again in its turn, for a peer that was stopped may still connect.
class half_open_channels {
  public:
    /// The most channels that are half open for one peer.
    static constexpr std::size_t share = 8;
    /// How long a request keeps its place. A peer that polls looks every 100 ms at least, and then
    /// has to look once more.
    static constexpr std::chrono::milliseconds patience{250};

    explicit half_open_channels(ivshmem::slot& in) : slot_{in}, directory_{in} {}

    [[nodiscard]] ivshmem::service_directory& directory() noexcept { return directory_; }
    void clear() noexcept { all_.clear(); }

    /// Opens channels for the requests for a service. @return Whether a request has to wait.
    bool find_requests(std::uint32_t key, const channel_options& options) {
        if (!slot_.is_open()) // closed, after an operation began to wait
            return false;
        std::optional<ivshmem::service_directory::request> first_refused;
        std::size_t refused = 0;
        const auto& geometry = slot_.geometry();
        const std::size_t all = std::size_t{geometry.slots} * geometry.lanes;
        while (refused < all) {                 // a peer could change its requests endlessly
            if (all_.size() == all_.capacity()) // a request that was opened must not get lost
                all_.reserve(2 * all_.size() + 1);
            const auto request = directory_.find_request(key);
            if (!request || is_same(request, first_refused))
                break;
            std::error_code ec;
            if (!has_place(request->slot)) {
                ++refused;
                if (!first_refused)
                    first_refused = request;
                continue;
            }
            auto opened = ivshmem::channel::open(slot_, request->slot, request->lane, options, ec);
            if (ec)
                break;
            all_.push_back({*request, std::move(opened), clock::now()});
        }
        return first_refused.has_value();
    }
    /// Continues the channels until one is connected, and drops those that are not wanted any more.
    bool find_connected(std::uint32_t key) {
        std::error_code ec;
        // A channel that the peer has closed again counts too: the peer may have sent messages
        // before.
        for (connected_ = 0; connected_ < all_.size(); ++connected_)
            if (all_[connected_].channel.update(ec) == ivshmem::channel_state::connected)
                return true;
        std::erase_if(all_, [&](const half_open& h) {
            // The peer withdrew the request, or opened the lane again, before the channel was
            // accepted.
            return !directory_.is_requested(h.request, key) ||
                   h.channel.state() != ivshmem::channel_state::opening;
        });
        return false;
    }
    /// The channel that is connected. @pre find_connected() returned true.
    [[nodiscard]] ivshmem::channel& connected() noexcept { return all_[connected_].channel; }
    /// The same, and forgets it.
    ivshmem::channel take() {
        ivshmem::channel taken{std::move(all_[connected_].channel)};
        all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(connected_));
        return taken;
    }

  private:
    using clock = std::chrono::steady_clock;

    struct half_open {
        ivshmem::service_directory::request request;
        ivshmem::channel channel;
        clock::time_point since;
    };

    static bool is_same(const std::optional<ivshmem::service_directory::request>& a,
                        const std::optional<ivshmem::service_directory::request>& b) {
        return a && b && a->slot == b->slot && a->lane == b->lane;
    }
    /// Whether a peer may have one more channel half open, after its oldest one has lost its place
    /// if need be.
    bool has_place(std::uint32_t peer) {
        const auto is_peers = [peer](const half_open& h) {
            return h.request.slot == peer;
        };
        if (static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), is_peers)) < share)
            return true;
        const auto oldest = std::find_if(all_.begin(), all_.end(), is_peers);
        if (clock::now() - oldest->since < patience)
            return false;
        ivshmem::channel_driver{oldest->channel}.withdraw();
        all_.erase(oldest);
        return true;
    }

    ivshmem::slot& slot_;
    ivshmem::service_directory directory_;
    std::vector<half_open> all_; ///< the oldest first
    std::size_t connected_ = 0;  ///< in all_, after find_connected()
};

} // namespace ivshmem::detail
