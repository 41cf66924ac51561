// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backoff.hpp"
#include "broker.hpp"
#include "limits.hpp"
#include "options.hpp"
#include "tally.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace ivshmem_gateway {

/// Joins a region and a broker, each of which may go away and come back.
///
/// Must outlive the run of its event loop.
class gateway {
  public:
    /// @param o Must outlive the gateway.
    gateway(boost::asio::io_context& io, const options& o);
    gateway(const gateway&) = delete;
    gateway& operator=(const gateway&) = delete;
    ~gateway();

    /// Joins the region, and connects to the broker. @throws std::exception The region cannot be
    /// joined.
    void start();
    /// Delivers what is in the queue, for some seconds at most; then the event loop is stopped. At
    /// once if it is called again.
    void stop();
    /// Logs what is left in the queue, after the end of the event loop.
    void report_left() const;
    /// Whether the end of the event loop would wait for a name that is being looked up.
    [[nodiscard]] bool is_resolving() const { return broker_.is_resolving(); }

  private:
    struct region;

    void join_region();
    void lose_region(std::error_code why);
    void try_region_again();
    void take(std::string_view topic, std::span<const std::byte> payload);
    void note(const outgoing& message, broker::fate what, const std::string& why);

    boost::asio::io_context& io_;
    const options& options_;
    tally lines_;
    limits each_slot_;
    broker broker_;
    std::unique_ptr<region> region_{};
    boost::asio::steady_timer retry_;
    backoff retries_{std::chrono::seconds{5}};
    std::string reported_{};
    bool stopping_ = false;
};

} // namespace ivshmem_gateway
