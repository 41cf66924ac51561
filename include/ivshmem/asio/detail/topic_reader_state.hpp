// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/gate.hpp>
#include <ivshmem/asio/detail/hub.hpp>
#include <ivshmem/topic_message.hpp>
#include <ivshmem/topic_reader.hpp>

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace ivshmem::asio::detail {

/// The state that a reader of a topic and its operations share. The operations keep it alive, so
/// that the reader may be moved or destroyed while they are under way.
template <typename Executor>
class topic_reader_state : public hub_member {
  public:
    using executor_type = Executor;

    /// @throws error as ivshmem::topic_reader::open().
    topic_reader_state(std::shared_ptr<detail::hub<Executor>> in, std::string_view name,
                       const topic_reader_options& options)
        : hub{std::move(in)}, reader{ivshmem::topic_reader::open(hub->slot, name, options)},
          reading{hub->get_executor()}, membership_{*hub, *this} {
        if (options.polling)
            hub->poll();
    }

    bool look() override {
        if (reading.empty())
            return false;
        std::error_code ec;
        reader.update(ec);
        if (!ec && reader.arm())
            return false;
        reading.open();
        return true;
    }
    [[nodiscard]] bool waiting() const override { return !reading.empty(); }
    void fail(const boost::system::error_code& why) override {
        failed = why;
        reading.open();
    }
    /// Asks to be rung. @return Whether there is nothing to do.
    [[nodiscard]] bool sleeping() { return reader.arm(); }
    void done() noexcept {
        if (reading.empty())
            reader.disarm();
    }
    void abort() noexcept {
        ++epoch;
        reading.open_for_all();
    }

    const std::shared_ptr<detail::hub<Executor>> hub;
    ivshmem::topic_reader reader;
    gate<Executor> reading;
    boost::system::error_code failed;
    unsigned epoch = 0; ///< grows with each close() and cancel()
    /// Whether the last wait was short enough for spinning to pay.
    bool spin_pays = false;

  private:
    const hub_membership<Executor> membership_; ///< last, so that all other members exist
};

/// The step that the operations of a reader repeat until it succeeds.
/// @tparam Read Called as read(reader, ec); returns a message or nothing.
template <typename Read>
struct topic_attempt {
    using value_type = topic_message;

    static auto& gate_of(auto& state) { return state.reading; }
    bool attempt(auto& state, std::error_code& ec) {
        try {
            const auto got = read(state.reader, ec);
            message = got.value_or(topic_message{});
            return got.has_value();
        } catch (const std::bad_alloc&) { // it would leave through the event loop
            ec = std::make_error_code(std::errc::not_enough_memory);
            return false;
        }
    }
    [[nodiscard]] value_type value() const { return message; }
    void give_up(auto&, bool) {}

    Read read;
    topic_message message{};
};

} // namespace ivshmem::asio::detail
