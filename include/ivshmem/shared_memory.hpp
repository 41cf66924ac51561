// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/cache_mode.hpp>
#include <ivshmem/detail/publish.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace ivshmem {

/// The shared memory of an open device: a view, valid until the device is closed.
///
/// Other peers may write any byte at any time: read a value once into a copy, check the copy, use
/// the copy. The bytes survive a reboot of this VM, so those of a peer may be of any age.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Safe for the const members; accesses to
/// the bytes themselves follow the rules of the language, as for any memory.
class shared_memory {
  public:
    shared_memory() = default;
    shared_memory(std::span<std::byte> bytes, cache_mode mode, std::string reason)
        : bytes_{bytes}, mode_{mode}, reason_{std::move(reason)} {}

    /// All of the memory, whose size is the size of BAR2 or of the server's file; or the part of it
    /// that open_options::part names.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }
    /// In bytes; 64-bit.
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    /// @pre offset < size()
    [[nodiscard]] std::byte& operator[](std::size_t offset) const noexcept {
        return bytes_[offset];
    }

    /// Makes this thread's earlier stores to the memory visible to the other peers before its later
    /// stores. device::ring() does this itself; a peer that polls needs it between data and the
    /// word that announces it, because write-combining memory orders no stores, not even atomic
    /// ones with release order.
    static void publish() noexcept { detail::publish(); }

    /// The mode that is in effect, not the requested one. It was looked up if the kernel lets this
    /// process see it (/sys/kernel/debug/x86/pat_memtype_list); reason() says so.
    [[nodiscard]] cache_mode mode() const noexcept { return mode_; }
    /// One line: which file was mapped, and why no better mode was possible.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

  private:
    std::span<std::byte> bytes_;
    cache_mode mode_ = cache_mode::uncached;
    std::string reason_;
};

} // namespace ivshmem
