// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/ivshmem.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

/// The layout that two peers agree on: one page each, which only its owner writes.
///
/// The shared memory survives both VMs, so a page is valid only if it has the number of this run.
/// The other VM may write anything, so every word is read once and checked.
struct page {
    static constexpr std::size_t size = 4096;
    static constexpr std::size_t max_text = 1024;

    std::atomic<std::uint64_t> run;     ///< written last: the page is valid from then on
    std::atomic<std::uint32_t> id;      ///< the peer id to ring
    std::atomic<std::uint32_t> vectors; ///< the vectors that this peer can wait for
    std::atomic<std::uint32_t> text_size;
    std::atomic<std::uint32_t> step;  ///< the current step of this peer
    std::atomic<std::uint64_t> count; ///< the newest round of the ping-pong
    char text[max_text];
};
static_assert(sizeof(page) <= page::size);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// This peer's page and the other peer's.
class shared_pages {
  public:
    shared_pages(const ivshmem::shared_memory& memory, bool first)
        : mine_{at(memory, first ? 0 : page::size)}, theirs_{at(memory, first ? page::size : 0)} {
        if (memory.size() < 2 * page::size)
            throw std::runtime_error{"the shared memory is smaller than two pages"};
    }

    [[nodiscard]] page& mine() const { return *mine_; }
    [[nodiscard]] const page& theirs() const { return *theirs_; }

    void publish(std::uint64_t run, const ivshmem::device& device, std::string_view text) const {
        mine_->run.store(0, std::memory_order_release);
        mine_->id = device.id();
        mine_->vectors = device.capabilities().interrupts;
        mine_->step = 0;
        mine_->count = 0;
        mine_->text_size = static_cast<std::uint32_t>(text.copy(mine_->text, page::max_text));
        ivshmem::shared_memory::publish();
        mine_->run.store(run, std::memory_order_release);
        ivshmem::shared_memory::publish();
    }

    /// Returns the other peer's text, copied before it is checked, whatever size it claims.
    [[nodiscard]] std::string their_text() const {
        const std::size_t size = std::min<std::size_t>(theirs_->text_size.load(), page::max_text);
        return {theirs_->text, size};
    }

  private:
    static page* at(const ivshmem::shared_memory& memory, std::size_t offset) {
        return reinterpret_cast<page*>(memory.data() + offset);
    }

    page* mine_;
    page* theirs_;
};
