// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace ivshmem::asio::detail {

/// The thread that is inside a slot, if one is.
class occupancy {
  public:
    occupancy() = default;
    occupancy(const occupancy&) = delete;
    occupancy& operator=(const occupancy&) = delete;

  private:
    friend class sole_entry;

    std::atomic<const void*> thread_{nullptr};
};

/// Aborts the program if two threads are inside one slot at the same time: a data race that may
/// stay hidden for long. Does nothing if NDEBUG is defined.
///
/// Uses no locked instruction. Never fails a correct program: on a strand, each thread sees that
/// the previous one has left. May miss a race.
class sole_entry {
  public:
#ifdef NDEBUG
    explicit sole_entry(occupancy&) noexcept {}
#else
    explicit sole_entry(occupancy& of) noexcept : of_{of}, entered_{enter()} {}
    sole_entry(const sole_entry&) = delete;
    sole_entry& operator=(const sole_entry&) = delete;
    ~sole_entry() {
        if (!entered_)
            return;
        if (of_.thread_.load(std::memory_order_relaxed) != this_thread())
            fail();
        of_.thread_.store(nullptr, std::memory_order_relaxed);
    }

  private:
    static const void* this_thread() noexcept {
        static thread_local const char mark = 0;
        return &mark;
    }
    /// @return Whether this thread was not already inside.
    bool enter() const noexcept {
        const void* const inside = of_.thread_.load(std::memory_order_relaxed);
        if (inside == this_thread())
            return false;
        if (inside != nullptr)
            fail();
        of_.thread_.store(this_thread(), std::memory_order_relaxed);
        return true;
    }
    [[noreturn]] static void fail() noexcept {
        std::fputs(
            "ivshmem: two threads use one asio::slot at the same time. A slot, its channels, "
            "streams and acceptors are one object: give the slot a strand, and start all of "
            "its operations, and run their handlers, on that strand.\n",
            stderr);
        std::abort();
    }

    occupancy& of_;
    const bool entered_;
#endif
};

} // namespace ivshmem::asio::detail
