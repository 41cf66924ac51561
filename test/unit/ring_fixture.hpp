// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/ring_consumer.hpp"
#include "channel/ring_producer.hpp"
#include "channel/shared_words.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/mman.h>

namespace test {

namespace layout = ivshmem::layout;
using words = ivshmem::shared_words;

/// A block of the layout with an inaccessible page behind it or before it: an access beyond the
/// block on that side is a segmentation fault.
class guarded_block {
  public:
    enum class guard { before, behind };

    guarded_block(std::uint32_t ring_size, guard where) {
        constexpr std::size_t page = 4096;
        const std::size_t size = layout::block::ring + ring_size;
        const std::size_t inner = (size + page - 1) / page * page;
        whole_ = inner + 2 * page;
        base_ = ::mmap(nullptr, whole_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base_ == MAP_FAILED) // NOLINT: the macro is C's
            throw std::runtime_error{"no memory for a block"};
        auto* const first = static_cast<std::byte*>(base_) + page;
        if (::mprotect(first, inner, PROT_READ | PROT_WRITE) != 0)
            throw std::runtime_error{"no guard for a block"};
        words_ = {where == guard::before ? first : first + inner - size, false};
    }
    guarded_block(const guarded_block&) = delete;
    guarded_block& operator=(const guarded_block&) = delete;
    ~guarded_block() { ::munmap(base_, whole_); }

    [[nodiscard]] const words& at() const noexcept { return words_; }

  private:
    void* base_ = nullptr;
    std::size_t whole_ = 0;
    words words_;
};

/// Both ends of one ring.
struct ring_pair {
    explicit ring_pair(std::uint32_t ring = 1024, std::uint32_t start = 0,
                       std::uint32_t limit = ~0U,
                       guarded_block::guard where = guarded_block::guard::behind)
        : size{ring}, sender{ring, where}, receiver{ring, where},
          out{sender.at(), receiver.at(), ring, start}, in{receiver.at(), sender.at(), ring, limit,
                                                           start} {
        receiver.at().store(layout::block::cursor, start);
    }

    /// Writes a record without publishing it.
    bool stage(std::string_view bytes, layout::kind kind = layout::kind::last,
               std::optional<std::uint32_t> total = {}) {
        const auto length = static_cast<std::uint32_t>(bytes.size());
        if (!out.reserve(length))
            return false;
        sender.at().write(out.payload(), std::as_bytes(std::span{bytes}));
        out.stage(length, kind, total.value_or(length));
        return true;
    }
    bool send(std::string_view bytes, layout::kind kind = layout::kind::last,
              std::optional<std::uint32_t> total = {}) {
        const bool staged = stage(bytes, kind, total);
        out.publish();
        return staged;
    }
    /// Sends a message in one step.
    bool send_at_once(std::string_view bytes) {
        const auto write = [bytes](const ivshmem::shared_words& mine, std::size_t at) {
            if (mine.is_short(bytes.size()))
                mine.write_short(at, std::as_bytes(std::span{bytes}));
            else
                mine.write(at, std::as_bytes(std::span{bytes}));
        };
        return out.send(static_cast<std::uint32_t>(bytes.size()), write);
    }
    /// Returns the message at the front as a copy of the receiver takes it in one step.
    [[nodiscard]] std::optional<std::string>
    receive_at_once(std::size_t most = ~std::size_t{}) const {
        auto copy = in;
        std::string bytes;
        const auto takes = [most](std::uint32_t length) {
            return length <= most;
        };
        const auto read = [&bytes](const ivshmem::shared_words& theirs, std::size_t at,
                                   std::uint32_t length) {
            bytes.resize(length);
            if (theirs.is_short(length))
                theirs.read_short(at, std::as_writable_bytes(std::span{bytes}));
            else
                theirs.read(at, std::as_writable_bytes(std::span{bytes}));
        };
        if (!copy.receive(takes, read))
            return std::nullopt;
        return bytes;
    }
    /// Receives one record of any kind.
    std::optional<std::string> receive() {
        if (!in.front(record)) {
            if (in.fault() == ivshmem::layout_violation::none && !in.released())
                in.release();
            return std::nullopt;
        }
        std::string bytes(record.length, '\0');
        sender.at().read(record.payload, std::as_writable_bytes(std::span{bytes}));
        in.pop(record);
        if (in.release_due())
            in.release();
        return bytes;
    }

    const std::uint32_t size;
    guarded_block sender;
    guarded_block receiver;
    ivshmem::ring_producer<words> out;
    ivshmem::ring_consumer<words> in;
    ivshmem::ring_record record; ///< the last received one
};

/// Bytes that differ for each place and each message.
inline std::string pattern(std::size_t length, unsigned seed) {
    std::string bytes(length, '\0');
    for (std::size_t i = 0; i < length; ++i)
        bytes[i] = static_cast<char>((i * 7 + std::size_t{seed} * 13 + i / 251) & 0xff);
    return bytes;
}

} // namespace test
