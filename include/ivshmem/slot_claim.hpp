// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/slot.hpp>

#include <chrono>
#include <memory>
#include <system_error>

namespace ivshmem {

/// A claim of a slot in steps between which the caller waits: slot::claim() and claim_free() for
/// programs that must not block. asio::async_claim() uses it.
///
/// @code
/// ivshmem::slot_claim claim{device, options, ivshmem::slot_claim::of::free_slot};
/// for (auto pause = claim.step(ec); pause.count() != 0; pause = claim.step(ec))
///     ... // wait for this time
/// ivshmem::slot slot = claim.take(); // closed if ec is set
/// @endcode
///
/// Destruction before the end gives the claim up. The device may be moved, closed or destroyed in
/// the meantime.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
class IVSHMEM_API slot_claim {
  public:
    class IVSHMEM_HIDDEN impl;

    enum class of {
        one_slot,  ///< as slot::claim()
        free_slot, ///< as slot::claim_free()
    };

    slot_claim(const device& at, const slot_options& options, of what = of::one_slot);
    slot_claim(slot_claim&& other) noexcept;
    slot_claim& operator=(slot_claim&& other) noexcept;
    slot_claim(const slot_claim&) = delete;
    slot_claim& operator=(const slot_claim&) = delete;
    ~slot_claim();

    /// Takes the next step, which does not wait.
    /// @param ec The reason if the claim failed; the codes of slot::claim() and claim_free().
    /// @return How long to wait before the next step, at most 20 ms; zero: the claim is over.
    [[nodiscard]] std::chrono::milliseconds step(std::error_code& ec);
    /// The slot, after step() has returned zero without an error; else a closed slot.
    [[nodiscard]] slot take() noexcept;

  private:
    std::unique_ptr<impl> impl_;
};

} // namespace ivshmem
