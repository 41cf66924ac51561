// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/detail/gate.hpp>
#include <ivshmem/asio/detail/hub.hpp>
#include <ivshmem/channel.hpp>
#include <ivshmem/detail/service_connection.hpp>

#include <boost/system/error_code.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace ivshmem::asio::detail {

/// A connection by service name that is being made.
template <typename Executor>
class connector_state : public hub_member {
  public:
    connector_state(std::shared_ptr<detail::hub<Executor>> in, std::string name,
                    std::optional<std::uint32_t> at, const channel_options& options)
        : hub{std::move(in)}, connecting{hub->get_executor()},
          connection_{hub->slot, std::move(name), at, options}, membership_{*hub, *this} {}

    bool look() override {
        std::error_code ec;
        if (connecting.empty() || (!connected(ec) && !ec))
            return false;
        connecting.open();
        return true;
    }
    [[nodiscard]] bool waiting() const override { return !connecting.empty(); }
    void fail(const boost::system::error_code& why) override {
        failed = why;
        connecting.open();
    }
    [[nodiscard]] static bool sleeping() { return true; } // offering and connecting ring
    void done() noexcept {}

    /// Takes the steps that are possible now.
    bool connected(std::error_code& ec) { return connection_.connected(ec); }
    /// The channel: open while a peer is asked, and connected at the end.
    [[nodiscard]] ivshmem::channel& channel() noexcept { return connection_.channel; }

    const std::shared_ptr<detail::hub<Executor>> hub;
    gate<Executor> connecting;
    boost::system::error_code failed;
    unsigned epoch = 0;
    bool spin_pays = false;

  private:
    ivshmem::detail::service_connection connection_;
    const hub_membership<Executor> membership_;
};

template <typename Executor>
struct connector_attempt {
    using value_type = basic_channel<Executor>;

    static auto& gate_of(auto& state) { return state.connecting; }
    bool attempt(auto& state, std::error_code& ec) {
        if (!state.connected(ec))
            return false;
        made = value_type{state.hub, std::move(state.channel())};
        return true;
    }
    [[nodiscard]] value_type value() { return std::move(made); }
    void give_up(auto& state, bool) { state.channel().close(); }

    value_type made; ///< not open at first
};

} // namespace ivshmem::asio::detail
