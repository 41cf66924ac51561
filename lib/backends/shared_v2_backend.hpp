// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/shared_backend.hpp"
#include "backends/v2_backend.hpp"
#include "base/mapping.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace ivshmem {

/// An ivshmem-v2 device that ivshmem-share shares: this process maps its registers and sections and
/// sees the states of the peers itself. This machine is one peer of the device, with one state, so
/// the state belongs to one program at a time: the one that has the slot, or has set it.
class shared_v2_backend final : public v2_backend {
  public:
    /// @param link The connection to the service. @pre link->v2()
    static std::unique_ptr<backend> open(std::unique_ptr<shared_backend> link,
                                         const open_options& options, failure& f);
    ~shared_v2_backend() override;

    [[nodiscard]] int event_fd() const override;
    void watch(std::uint32_t vector, failure& f) override { link_->watch(vector, f); }
    std::uint64_t take(std::uint32_t vector, failure& f) override;
    void watch_states() override;
    /// Fails with errc::slot_in_use if another program has the state.
    void set_state(std::uint32_t value, failure& f) override;
    void reserve_slot(std::uint32_t slot, failure& f) override { link_->reserve_slot(slot, f); }
    void release_slot(std::uint32_t slot) noexcept override { link_->release_slot(slot); }
    std::vector<device_user> users(failure& f) override { return link_->users(f); }

  protected:
    std::uint64_t drain(failure& f) override;
    std::optional<event> next_other_event(failure& f) override { return link_->next_event(f); }
    void check_removal(failure& f) const override { link_->check(f); }

  private:
    explicit shared_v2_backend(std::unique_ptr<shared_backend> link);
    void map_sections(const open_options& options, failure& f);

    const std::unique_ptr<shared_backend> link_;
    std::vector<mapping> memory_; ///< one a section
    std::mutex state_;            ///< guards the member below, and the register of the state
    bool has_state_ = false;      ///< this program has set it, and so no other one may
};

} // namespace ivshmem
