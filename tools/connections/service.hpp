// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "connections/carrier.hpp"
#include "connections/slot_list.hpp"

#include <ivshmem/asio/acceptor.hpp>
#include <ivshmem/asio/slot.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace connections {

using carrier_ptr = std::shared_ptr<carrier>;

/// A service that is offered in the directory of a slot, and the peers that are connected to it:
/// one carrier for each slot.
///
/// Must outlive the run of its event loop.
class service {
  public:
    struct options {
        std::string name;
        std::optional<std::vector<std::uint32_t>> allowed{}; ///< slots; empty: all
        limits promised{};                                   ///< to each peer
    };
    struct hooks {
        /// A peer opened a connection: call its carrier's join() or refuse().
        std::function<void(const carrier_ptr& from, std::uint32_t connection)> opened;
        /// A line about a peer.
        std::function<void(const std::string& line)> log;
        /// The channel of a peer has ended; may be empty.
        std::function<void()> gone{};
    };

    /// Offers the service. @throws ivshmem::error as ivshmem::asio::acceptor
    service(ivshmem::asio::slot& in, options o, hooks h);

    /// Serves until stop(). Returns the reason if it ends before: that of the slot.
    [[nodiscard]] boost::asio::awaitable<boost::system::error_code> run();
    /// Takes the offer back; connections go on.
    void withdraw() { acceptor_.close(); }
    /// Takes the offer back, and ends all connections.
    void stop();

    [[nodiscard]] const std::string& name() const { return options_.name; }
    [[nodiscard]] std::size_t peers() const { return carriers_.size(); }

  private:
    [[nodiscard]] bool allows(std::uint32_t slot) const;
    [[nodiscard]] std::size_t connections_of(std::uint32_t slot) const;
    boost::asio::awaitable<void> carry(carrier_ptr with, std::uint32_t slot);

    options options_;
    hooks hooks_;
    ivshmem::asio::acceptor acceptor_;
    std::map<std::uint32_t, carrier_ptr> carriers_; ///< by slot
    /// Those too that have lost their channel, and whose last bytes wait for a slow program.
    std::multimap<std::uint32_t, std::weak_ptr<carrier>> all_{};
};

/// Returns the slots other than `own` that offer the name, as well.
[[nodiscard]] std::vector<std::uint32_t> other_offers(const ivshmem::slot& own,
                                                      const std::string& name);

/// A service to connect to: its name, and the slot that must offer it.
struct target {
    std::string name;
    std::optional<std::uint32_t> slot{};

    /// Parses NAME or NAME@SLOT.
    static target parse(const std::string& text);
    [[nodiscard]] std::string text() const;
};

/// Returns why no peer can name the service, if it cannot: target::parse() reads its end as a slot.
[[nodiscard]] std::optional<std::string> why_unreachable(const std::string& name);

/// The options of a channel that carries connections.
[[nodiscard]] ivshmem::channel_options channel_for(const limits& own);

} // namespace connections
