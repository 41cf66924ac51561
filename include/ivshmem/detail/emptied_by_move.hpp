// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <utility>

namespace ivshmem::detail {

/// A value that goes back to its default where it is moved from.
template <typename T>
class emptied_by_move {
  public:
    emptied_by_move() = default;
    emptied_by_move(T value) noexcept : value_{value} {} // NOLINT: it is one
    emptied_by_move(emptied_by_move&& other) noexcept : value_{std::exchange(other.value_, T{})} {}
    emptied_by_move& operator=(emptied_by_move&& other) noexcept {
        value_ = std::exchange(other.value_, T{});
        return *this;
    }
    ~emptied_by_move() = default;

    operator T() const noexcept { return value_; } // NOLINT: it is one

  private:
    T value_{};
};

} // namespace ivshmem::detail
