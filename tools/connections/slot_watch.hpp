// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/hub.hpp>
#include <ivshmem/asio/slot.hpp>

#include <boost/system/error_code.hpp>

#include <functional>
#include <system_error>
#include <utility>

namespace connections {

/// Notices that a slot is lost, also if nothing is under way in it.
class slot_watch : public ivshmem::asio::detail::hub_member {
  public:
    /// @param lost Called once if the slot or its device is lost.
    slot_watch(ivshmem::asio::slot& of, std::function<void(std::error_code)> lost)
        : lost_{std::move(lost)}, membership_{*of.hub(), *this} {}

    bool look() override { return false; }
    [[nodiscard]] bool waiting() const override { return false; }
    void fail(const boost::system::error_code& why) override {
        if (auto lost = std::exchange(lost_, {}))
            lost(why);
    }
    void end() { lost_ = {}; }

  private:
    std::function<void(std::error_code)> lost_;
    ivshmem::asio::detail::hub_membership<ivshmem::asio::slot::executor_type> membership_;
};

} // namespace connections
