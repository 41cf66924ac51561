// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/server_protocol.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace ivshmem_server {

/// The ids, and the number of connected clients that were told of each.
///
/// An id is clean if no client has it and no connected client was told of it. Only a clean id may
/// be given with new eventfds: QEMU keeps a pointer to the freed eventfds of a peer that left, and
/// aborts if that id joins again.
class ids {
  public:
    static constexpr std::size_t count = ivshmem::server_protocol::max_id + 1;

    /// @param next The first id to give.
    explicit ids(std::uint16_t next = 0) : next_{next} {}

    /// Returns the clean id that is unused longest, or nothing. Ids that were never used come
    /// first: they count upwards, as with QEMU's server, and from 0 again after 65535.
    std::optional<std::uint16_t> take();

    /// Releases an id whose client left.
    void give_back(std::uint16_t id);

    /// Counts one more connected client that was told of the id.
    void add_knower(std::uint16_t id) { ++entries_[id].knowers; }
    /// Counts one less: it left, or its message was dropped before it was sent.
    void remove_knower(std::uint16_t id);

    /// Returns the number of clean ids.
    [[nodiscard]] std::size_t clean() const { return never_used_ + clean_.size(); }

  private:
    struct entry {
        std::uint64_t left = 0;    ///< the number of departures when its last client left
        std::uint32_t knowers = 0; ///< connected clients that were told of it
        bool in_use = false;
    };

    void insert_if_clean(std::uint16_t id);

    std::vector<entry> entries_ = std::vector<entry>(count);
    std::set<std::pair<std::uint64_t, std::uint16_t>> clean_; ///< those used before, by entry::left
    std::uint64_t departures_ = 0;
    std::size_t never_used_ = count;
    std::uint16_t next_;
};

/// A set of ids, which takes memory up to the largest one.
class id_set {
  public:
    [[nodiscard]] bool contains(std::uint16_t id) const {
        return id / bits < words_.size() && (words_[id / bits] >> (id % bits) & 1) != 0;
    }
    void insert(std::uint16_t id) {
        if (words_.size() <= id / bits)
            words_.resize(id / bits + 1);
        words_[id / bits] |= std::uint64_t{1} << (id % bits);
    }
    void erase(std::uint16_t id) { words_[id / bits] &= ~(std::uint64_t{1} << (id % bits)); }

    /// Calls a function with each id.
    template <typename Function>
    void for_each(Function function) const {
        for (std::size_t i = 0; i < words_.size(); ++i) {
            for (std::uint64_t left = words_[i]; left != 0; left &= left - 1)
                function(static_cast<std::uint16_t>(i * bits +
                                                    static_cast<unsigned>(std::countr_zero(left))));
        }
    }

  private:
    static constexpr std::size_t bits = 64;
    std::vector<std::uint64_t> words_;
};

} // namespace ivshmem_server
