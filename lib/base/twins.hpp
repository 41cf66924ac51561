// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <system_error>
#include <type_traits>

namespace ivshmem {

/// Runs `step(failure&)` and throws its failure: the throwing one of two public twins.
template <typename Step>
auto throwing(Step step) {
    failure f;
    if constexpr (std::is_void_v<decltype(step(f))>) {
        step(f);
        f.raise();
    } else {
        auto result = step(f);
        f.raise();
        return result;
    }
}

/// Runs `step(failure&)` and stores its code in `ec`: the other twin.
template <typename Step>
auto reporting(std::error_code& ec, Step step) {
    failure f;
    if constexpr (std::is_void_v<decltype(step(f))>) {
        step(f);
        ec = f.code();
    } else {
        auto result = step(f);
        ec = f.code();
        return result;
    }
}

} // namespace ivshmem
