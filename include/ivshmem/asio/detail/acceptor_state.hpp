// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/detail/gate.hpp>
#include <ivshmem/asio/detail/hub.hpp>
#include <ivshmem/channel.hpp>
#include <ivshmem/service_directory.hpp>

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace ivshmem::asio::detail {

/// The state that an acceptor and its operations share.
template <typename Executor>
class acceptor_state : public hub_member {
  public:
    /// Offers the service. @throws error as ivshmem::service_directory::offer().
    acceptor_state(std::shared_ptr<detail::hub<Executor>> in, std::string_view name,
                   const channel_options& of_channels)
        : hub{std::move(in)}, accepting{hub->get_executor()}, options_{of_channels}, membership_{
                                                                                         *hub,
                                                                                         *this} {
        key_ = options_.offered = directory_.offer(name); // nothing after it may throw
    }

    bool look() override {
        if (accepting.empty() || !find_connected())
            return false;
        accepting.open();
        return true;
    }
    [[nodiscard]] bool waiting() const override { return !accepting.empty(); }
    void fail(const boost::system::error_code& why) override {
        failed = why;
        accepting.open();
    }
    void abort() noexcept {
        ++epoch;
        accepting.open_for_all();
    }
    [[nodiscard]] static bool sleeping() { return true; } // requests come with a ring
    void done() noexcept {}

    /// A channel to a peer that asked for the service, once both sides have met.
    std::optional<ivshmem::channel> take() {
        if (!find_connected())
            return std::nullopt;
        std::optional<ivshmem::channel> taken{std::move(half_open_[connected_].channel)};
        half_open_.erase(half_open_.begin() + static_cast<std::ptrdiff_t>(connected_));
        return taken;
    }
    [[nodiscard]] bool is_open() const noexcept { return key_ != 0; }
    void close() {
        abort();
        half_open_.clear();
        directory_.withdraw(std::exchange(key_, 0));
    }

    const std::shared_ptr<detail::hub<Executor>> hub;
    gate<Executor> accepting;
    boost::system::error_code failed;
    unsigned epoch = 0;
    bool spin_pays = false;

  private:
    /// Further requests wait: a limit on the work for other peers in one wake-up.
    static constexpr std::size_t most_half_open = 64;

    struct half_open {
        ivshmem::service_directory::request request;
        ivshmem::channel channel;
    };

    bool find_connected() {
        if (key_ == 0)
            return false;
        std::error_code ec;
        while (half_open_.size() < most_half_open) {
            const auto request = directory_.find_request(key_);
            if (!request)
                break;
            auto opened =
                ivshmem::channel::open(hub->slot, request->slot, request->lane, options_, ec);
            if (ec)
                break;
            half_open_.push_back({*request, std::move(opened)});
        }
        // A channel that the peer has closed again counts too: the peer may have sent messages
        // before.
        for (connected_ = 0; connected_ < half_open_.size(); ++connected_)
            if (half_open_[connected_].channel.update(ec) == ivshmem::channel_state::connected)
                return true;
        std::erase_if(half_open_, [this](const half_open& h) {
            // The peer withdrew the request, or opened the lane again, before the channel was
            // accepted.
            return !directory_.is_requested(h.request, key_) ||
                   h.channel.state() != ivshmem::channel_state::opening;
        });
        return false;
    }

    ivshmem::service_directory directory_{hub->slot};
    std::uint32_t key_ = 0;
    channel_options options_;
    std::vector<half_open> half_open_;
    std::size_t connected_ = 0; ///< in half_open_, after find_connected()
    const hub_membership<Executor> membership_;
};

template <typename Executor>
struct accept_attempt {
    using value_type = basic_channel<Executor>;

    static auto& gate_of(auto& state) { return state.accepting; }
    bool attempt(auto& state, std::error_code& ec) {
        if (!state.is_open())
            ec = errc::closed;
        auto taken = state.take();
        if (taken)
            accepted = value_type{state.hub, std::move(*taken)};
        return taken.has_value();
    }
    [[nodiscard]] value_type value() { return std::move(accepted); }
    void give_up(auto&, bool) {}

    value_type accepted; ///< not open at first
};

} // namespace ivshmem::asio::detail
