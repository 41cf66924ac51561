// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/basic_wait_object.hpp>
#include <ivshmem/asio/detail/hub.hpp>
#include <ivshmem/asio/waiting_options.hpp>
#include <ivshmem/slot.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <system_error>
#include <utility>

namespace ivshmem::asio {

/// A slot in the shared memory whose channels wait on an event loop.
///
/// It takes the rings of one vector of the device (slot_options::vector), which therefore nobody
/// else may wait for. While it is open the event loop has work: close it to let run() return.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe; a slot, its channels, streams and
/// acceptors count as one object. So on an io_context with several threads give it a strand, start
/// all operations on that strand, and let their handlers (and coroutines) run there too: what an
/// operation does in between it does where its handler runs.
template <typename Executor = boost::asio::any_io_executor>
class basic_slot {
  public:
    using executor_type = Executor;

    /// Claims a slot, as ivshmem::slot::claim(), which blocks for claim_time at most.
    /// @throws error as that, and as device::interrupt_fd().
    basic_slot(const Executor& executor, const device& of, const slot_options& options = {},
               const waiting_options& waiting = {})
        : executor_{executor}, hub_{std::make_shared<hub_type>(
                                   executor, of, ivshmem::slot::claim(of, options), waiting)} {
        hub_->start();
    }
    basic_slot(detail::execution_context auto& context, const device& of,
               const slot_options& options = {}, const waiting_options& waiting = {})
        : basic_slot{Executor{context.get_executor()}, of, options, waiting} {}

    /// A moved-from slot keeps its executor and is not open: what is opened on it fails with
    /// errc::closed.
    basic_slot(basic_slot&& other) noexcept
        : executor_{other.executor_}, hub_{std::move(other.hub_)} {}
    basic_slot& operator=(basic_slot&& other) noexcept {
        if (this != &other) {
            close();
            executor_ = other.executor_;
            hub_ = std::move(other.hub_);
        }
        return *this;
    }
    /// As close().
    ~basic_slot() { close(); }

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
    [[nodiscard]] bool is_open() const noexcept { return hub_ && hub_->slot.is_open(); }

    /// Gives the slot back: what its channels wait for completes with errc::closed.
    void close() noexcept {
        if (hub_)
            hub_->close();
    }

    /// The slot itself: its number, its geometry, its peers. Do not close it there.
    /// @pre The slot was not moved from.
    [[nodiscard]] ivshmem::slot& next_layer() noexcept { return hub_->slot; }
    [[nodiscard]] const ivshmem::slot& next_layer() const noexcept { return hub_->slot; }
    [[nodiscard]] std::uint32_t number() const noexcept { return hub_->slot.number(); }

    /// For channels and acceptors.
    using hub_type = detail::hub<Executor>;
    [[nodiscard]] const std::shared_ptr<hub_type>& hub() const noexcept { return hub_; }

  private:
    Executor executor_;
    std::shared_ptr<hub_type> hub_; ///< empty after a move
};

using slot = basic_slot<>;

} // namespace ivshmem::asio
