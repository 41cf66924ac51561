// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/detail/gate.hpp>
#include <ivshmem/asio/detail/hub.hpp>
#include <ivshmem/channel.hpp>
#include <ivshmem/detail/half_open_channels.hpp>

#include <boost/system/error_code.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

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
        key_ = options_.offered = half_open_.directory().offer(name); // nothing after it may throw
    }

    bool look() override {
        if (accepting.empty() || key_ == 0 || !find_connected())
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
        return key_ != 0 && find_connected() ? std::optional{half_open_.take()} : std::nullopt;
    }
    [[nodiscard]] bool is_open() const noexcept { return key_ != 0; }
    void close() {
        abort();
        half_open_.clear();
        half_open_.directory().withdraw(std::exchange(key_, 0));
    }

    const std::shared_ptr<detail::hub<Executor>> hub;
    gate<Executor> accepting;
    boost::system::error_code failed;
    unsigned epoch = 0;
    bool spin_pays = false;

  private:
    bool find_connected() {
        if (half_open_.find_requests(key_, options_))
            hub->expect(); // a request waits for its turn, and no ring will announce it
        return half_open_.find_connected(key_);
    }

    ivshmem::detail::half_open_channels half_open_{hub->slot};
    std::uint32_t key_ = 0;
    channel_options options_;
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
