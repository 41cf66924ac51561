// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "connections/service.hpp"

#include <ivshmem/asio/slot.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace connections {

/// Connects to the first peer that answers, of those that offer a service: one that was killed, as
/// its whole VM may be, goes on to offer what it did.
///
/// The slots are asked in turn: each when the one before it has failed, or has not answered for
/// half a second. Only the peer that is chosen gets connections.
class search {
  public:
    /// @param slots Those that offer the service, at least one. @see other_offers()
    search(const ivshmem::asio::slot& from, std::string name,
           const std::vector<std::uint32_t>& slots, const limits& own);
    ~search();
    search(const search&) = delete;
    search& operator=(const search&) = delete;

    /// Waits until one has greeted, or all have failed.
    boost::asio::awaitable<void> run();
    /// The carrier of the one that has greeted; empty if none has.
    [[nodiscard]] carrier_ptr with() const;
    /// Waits for the end of that carrier.
    boost::asio::awaitable<carrier::outcome> end();
    /// Why the first slot failed, if none has greeted.
    [[nodiscard]] carrier::outcome failure() const;

  private:
    struct attempt;
    struct state;

    static boost::asio::awaitable<void> ask(std::shared_ptr<state> all,
                                            std::shared_ptr<attempt> one);
    void let_others_go() const;

    std::shared_ptr<state> state_;
};

} // namespace connections
