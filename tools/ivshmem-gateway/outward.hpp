// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "broker.hpp"
#include "limits.hpp"
#include "rule.hpp"
#include "tally.hpp"

#include <ivshmem/asio/slot.hpp>
#include <ivshmem/asio/topic_reader.hpp>
#include <ivshmem/topic_info.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace ivshmem_gateway {

/// Passes on what the topics of the region get, to the broker: those that a rule names, and that no
/// gateway brought there.
///
/// A message of QoS 1 or 2 is read only if the queue for the broker has room, and none is read
/// while the one before it waits for the rate of its slot: until then the ring of the topic keeps
/// it, and what the writer overwrites there counts as skipped. So a writer at any rate costs no
/// more than the limits of its slot allow.
class outward : public std::enable_shared_from_this<outward> {
  public:
    /// What it uses, which must outlive the run of the event loop.
    struct uses {
        const std::vector<rule>& rules;
        broker& to;
        limits& each_slot;
        tally& lines;              ///< of the log: what a peer can cause at any rate
        std::uint64_t max_message; ///< a longer one is skipped
        std::string origin;        ///< of messages; the slot follows
    };

    outward(ivshmem::asio::slot& from, uses u);
    ~outward();

    void start();
    /// Reads no more. The slot may be closed then.
    void stop();

  private:
    class ring_watch;
    struct source;
    using source_ptr = std::shared_ptr<source>;
    using place = std::pair<std::uint32_t, std::uint32_t>; ///< slot, and number of the topic there

    void look_soon();
    void look();
    void close_missing(const std::vector<ivshmem::topic_info>& topics);
    [[nodiscard]] bool may_open(const ivshmem::topic_info& topic) const;
    void open(const std::string& name, const rule& by, std::uint64_t history,
              std::optional<std::uint32_t> found_in);
    boost::asio::awaitable<void> read(source_ptr of);
    boost::asio::awaitable<bool> next(source_ptr from);
    boost::asio::awaitable<void> read_once(source& of, boost::system::error_code& ec);
    boost::asio::awaitable<bool> reopen(source& of, std::error_code why);
    boost::asio::awaitable<void> wait_for_rate(source& of, std::uint32_t slot, std::size_t bytes);
    void attach(source& to);
    void detach(source& from);
    void pass(source& of);
    void report_refusals();

    ivshmem::asio::slot& slot_;
    uses uses_;
    std::unique_ptr<ring_watch> watch_{};
    boost::asio::steady_timer soon_;
    std::chrono::steady_clock::time_point looked_{};
    std::map<std::string, source_ptr> sources_{};
    std::map<place, std::uint32_t> over_{}; ///< keys of topics that ended while they were read
    bool first_look_ = true;
    bool looking_ = false;
    bool stopped_ = false;
};

} // namespace ivshmem_gateway
