// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace test {

/// The bytes that decide the next operation; zeroes after their end.
class schedule {
  public:
    explicit schedule(std::span<const std::uint8_t> bytes) : bytes_{bytes} {}

    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    std::uint8_t byte() noexcept {
        if (bytes_.empty())
            return 0;
        const std::uint8_t first = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return first;
    }
    std::uint32_t word() noexcept {
        std::uint32_t value = 0;
        for (int i = 0; i < 4; ++i)
            value = value << 8U | byte();
        return value;
    }
    /// Returns a number below `end`.
    std::uint32_t below(std::uint32_t end) noexcept {
        return (end <= 256 ? byte() : std::uint32_t{byte()} << 8U | byte()) % end;
    }

  private:
    std::span<const std::uint8_t> bytes_;
};

} // namespace test
