// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "base/failure.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"

#include <ivshmem/device.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace ivshmem {

/// An open device: its backend, and the parts that are the same for every backend.
class device::impl {
  public:
    static std::shared_ptr<impl> open(const selector& which, const open_options& options,
                                      failure& f);
    /// Makes a device of an open backend.
    static std::shared_ptr<impl> around(std::unique_ptr<class backend> open, failure& f);

    [[nodiscard]] const backend_facts& facts() const noexcept { return backend_->facts(); }
    /// Returns where the mapped part begins in the memory of the device.
    [[nodiscard]] std::uint64_t part_offset() const noexcept { return part_offset_; }
    [[nodiscard]] const detail::doorbell_page* page() const noexcept;

    void ring(std::uint32_t peer, std::uint32_t vector, failure& f) const;
    int interrupt_fd(std::uint32_t vector, failure& f) const;
    int rings_fd(std::uint32_t vector, failure& f) const;
    /// @copydoc backend::attention_fd
    [[nodiscard]] int attention_fd() const noexcept { return backend_->attention_fd(); }
    std::uint64_t take(std::uint32_t vector, failure& f) const;
    std::uint64_t wait(std::uint32_t vector, std::chrono::milliseconds timeout, failure& f) const;
    int any_interrupt_fd(failure& f) const;
    std::optional<interrupt_count> take_any(failure& f) const;
    int event_fd(failure& f) const;
    std::optional<event> next_event(failure& f) const;
    std::vector<std::uint16_t> peers(failure& f) const;
    std::vector<device_user> users(failure& f) const;
    /// @copydoc backend::reserve_slot
    void reserve_slot(std::uint32_t slot, failure& f) const { backend_->reserve_slot(slot, f); }
    /// @copydoc backend::release_slot
    void release_slot(std::uint32_t slot) const noexcept { backend_->release_slot(slot); }
    std::uint32_t state(failure& f) const;
    void set_state(std::uint32_t value, failure& f) const;
    std::uint32_t peer_state(std::uint32_t peer, failure& f) const;
    std::span<std::byte> output_section(failure& f) const;
    std::span<const std::byte> output_section(std::uint32_t peer, failure& f) const;
    std::span<const std::byte> output_sections(failure& f) const;
    /// @copydoc backend::watch_states
    void watch_states() const { backend_->watch_states(); }
    /// @copydoc backend::has_left
    [[nodiscard]] bool has_left(std::uint16_t id) const { return backend_->has_left(id); }
    /// @copydoc backend::departures
    [[nodiscard]] std::uint64_t departures() const noexcept { return backend_->departures(); }
    /// @copydoc backend::last_departure
    [[nodiscard]] departure last_departure(std::uint16_t id) const {
        return backend_->last_departure(id);
    }
    /// @copydoc backend::attend
    void attend() const { backend_->attend(); }

  private:
    void set_up(failure& f);
    void check_owner(failure& f) const;
    void check_vector(std::uint32_t vector, failure& f) const;
    /// Returns what an ivshmem-v2 device has in addition; null, with f set, on others.
    const v2_facts* v2(errc lacking, failure& f) const;
    bool is_peer(const v2_facts& of, std::uint32_t peer, failure& f) const;

    std::unique_ptr<class backend> backend_;
    std::uint64_t part_offset_ = 0; ///< of the mapped memory
    mapping page_;                  ///< holds a doorbell_page
    std::uint32_t vector_end_ = 0;  ///< lower vectors may be rung
    /// Epoll descriptors over rings_fd() and attention_fd(), made when interrupt_fd() is called.
    mutable std::map<std::uint32_t, unique_fd> interrupts_;
    mutable std::mutex interrupts_mutex_;
    unique_fd any_interrupt_; ///< an epoll descriptor over all rings_fd() and attention_fd()
};

namespace detail {

/// Makes the public object, for tests with a backend of their own.
class device_maker {
  public:
    static device make(std::unique_ptr<class backend> open, failure& f) {
        auto made = device::impl::around(std::move(open), f);
        return made ? device{std::move(made)} : device{};
    }
};

} // namespace detail

} // namespace ivshmem
