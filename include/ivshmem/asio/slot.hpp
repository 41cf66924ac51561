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
/// It takes the rings of one vector of the device (slot_options::vector); no other object may wait
/// for them.
///
/// An open slot is work of its executor, unlike other idle I/O objects, because it must answer
/// peers that claim the slot. So run() returns only after close(), which the destructor calls. To
/// end, a program closes its slot, for example from a boost::asio::signal_set.
///
/// With slot_options::heartbeat it also beats, and looks whether the peers do, on a timer: it wakes
/// up once in that period. Without a heartbeat an idle slot does not wake up.
///
/// A slot that was moved from keeps its executor; operations on it fail with errc::closed.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe; a slot, its channels, streams and
/// acceptors count as one object: one slot is one strand. If several threads run the io_context,
/// give the slot a strand, start all operations on that strand, and let their handlers (and
/// coroutines) run there too, because an operation continues where its handler runs. A strand for
/// each channel is wrong. A program compiled without NDEBUG aborts with a message if two threads
/// enter a slot at once.
template <typename Executor = boost::asio::any_io_executor>
class basic_slot {
  public:
    using executor_type = Executor;

    template <typename Other>
    struct rebind_executor {
        using other = basic_slot<Other>;
    };

    /// Claims a slot, as ivshmem::slot::claim(), which blocks for claim_time at most. Use
    /// asio::async_claim() to claim one without blocking.
    /// @throws error as that, and as device::interrupt_fd().
    basic_slot(const Executor& executor, const device& of, const slot_options& options = {},
               const waiting_options& waiting = {})
        : basic_slot{executor, of, ivshmem::slot::claim(of, options), waiting} {}
    basic_slot(detail::execution_context auto& context, const device& of,
               const slot_options& options = {}, const waiting_options& waiting = {})
        : basic_slot{Executor{context.get_executor()}, of, options, waiting} {}
    /// Takes a claimed slot, for example one from ivshmem::slot::claim_free().
    /// @param of The device on which it was claimed.
    /// @throws error as device::interrupt_fd(), and errc::closed if `claimed` is not open.
    basic_slot(const Executor& executor, const device& of, ivshmem::slot claimed,
               const waiting_options& waiting = {})
        : executor_{executor}, hub_{detail::make_hub(executor, of, std::move(claimed), waiting)} {}
    basic_slot(detail::execution_context auto& context, const device& of, ivshmem::slot claimed,
               const waiting_options& waiting = {})
        : basic_slot{Executor{context.get_executor()}, of, std::move(claimed), waiting} {}
    /// A closed slot.
    explicit basic_slot(const Executor& executor) : executor_{executor} {}

    /// A moved-from slot keeps its executor and is not open: channels and acceptors opened on it
    /// fail with errc::closed.
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

    /// Gives the slot back: operations on its channels complete with errc::closed.
    void close() noexcept {
        if (hub_)
            hub_->close();
    }

    /// The slot itself: its number, its geometry, its peers. Do not close it there.
    [[nodiscard]] ivshmem::slot& next_layer() { return hub()->slot; }
    [[nodiscard]] const ivshmem::slot& next_layer() const { return hub()->slot; }
    /// @pre is_open()
    [[nodiscard]] std::uint32_t number() const noexcept { return hub_->slot.number(); }

    /// For channels and acceptors. The hub of a moved-from slot fails all operations.
    using hub_type = detail::hub<Executor>;
    [[nodiscard]] const std::shared_ptr<hub_type>& hub() const {
        if (!hub_)
            hub_ = std::make_shared<hub_type>(executor_);
        return hub_;
    }
    /// For async_claim(): takes a hub whose slot was claimed.
    basic_slot(const Executor& executor, std::shared_ptr<hub_type> of) noexcept
        : executor_{executor}, hub_{std::move(of)} {}

  private:
    Executor executor_;
    mutable std::shared_ptr<hub_type> hub_;
};

using slot = basic_slot<>;

} // namespace ivshmem::asio
