// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"
#include "ids.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

namespace ivshmem_server {

/// The eventfds of a client, by vector.
using eventfds = std::vector<ivshmem::unique_fd>;

/// The id and the eventfds of a client. Clients are told of both together.
struct place {
    std::uint16_t id = 0;
    std::shared_ptr<const eventfds> vectors;
};

/// The places of present clients, and of clients that left unannounced.
///
/// Each departure that is announced makes its id unusable as long as a client lives that was told
/// of it. When few ids are left, departures are not announced: the place is kept, and the next
/// client gets it with the same eventfds. Clients that were told of the place then ring the new
/// client without a message, so that the table of a QEMU stays right for any number of joins.
class places {
  public:
    /// The number of clean ids below which departures are not announced.
    static constexpr std::size_t reserve = 8192;
    /// The number of places that are kept before one is given again, so that it rests for a while.
    static constexpr std::size_t rotation = 64;

    enum class supply {
        plenty,
        low,    ///< less than half of the ids are clean
        scarce, ///< departures are not announced
    };

    /// @param vectors The eventfds of a place.
    /// @param most The most places that have eventfds: clients and kept places.
    places(ids numbers, unsigned vectors, std::size_t most)
        : ids_{std::move(numbers)}, vectors_{vectors}, most_{most} {}

    /// Returns a place for a new client.
    /// @param clients The number of present clients.
    /// @param ec Set if no descriptor is free (EMFILE, ENFILE).
    /// @return nothing if ec is set, or if no id is usable.
    std::optional<place> take(std::size_t clients, std::error_code& ec);

    /// Keeps the place of a client whose departure is not announced.
    void keep(place p) { kept_.push_back(std::move(p)); }
    /// Returns all kept places. The caller must announce their departures and release them.
    std::deque<place> take_kept() { return std::exchange(kept_, {}); }

    [[nodiscard]] supply state() const { return state_; }
    /// Updates the state.
    /// @return whether it changed.
    bool update();

    ids& numbers() { return ids_; }

  private:
    ids ids_;
    unsigned vectors_;
    std::size_t most_;
    std::deque<place> kept_; ///< the oldest first
    supply state_ = supply::plenty;
};

} // namespace ivshmem_server
