// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "channel/division_search.hpp"
#include "channel/slot_impl.hpp"

#include <ivshmem/slot_claim.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace ivshmem {

/// "Claiming a slot" of channel-layout.md, one wait at a time.
class slot_claim::impl {
  public:
    impl(std::shared_ptr<device::impl> at, const slot_options& options, of what);

    /// As slot_claim::step().
    std::chrono::milliseconds step(failure& f);
    std::shared_ptr<slot::impl> take() noexcept;

  private:
    enum class stage { initial, waiting, over };
    struct holder {
        std::uint16_t id;
        presence known;
    };

    std::chrono::milliseconds begin(failure& f);
    std::chrono::milliseconds compete(failure& f);
    /// On ivshmem-v2, where no other peer can have the slot.
    void claim_own_section(failure& f);
    std::chrono::milliseconds go_on(failure& f);
    void check(failure& f) const;
    void check_number(failure& f) const;
    bool is_taken(failure& f) const;
    [[nodiscard]] std::chrono::milliseconds ask() const;
    /// The slot's holder, unless that is known to be gone.
    [[nodiscard]] std::optional<holder> living_holder() const;

    const std::shared_ptr<device::impl> device_;
    const slot_options options_;
    bool any_free_;
    stage stage_ = stage::initial;
    division division_;
    std::optional<division> displaced_; ///< of another claim, which may be about to move in
    std::uint32_t number_ = 0;
    std::shared_ptr<slot::impl> claimed_;
    std::chrono::steady_clock::time_point end_; ///< until then a holder may object
};

} // namespace ivshmem
