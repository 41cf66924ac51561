// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

namespace ivshmem {

/// Runs a step of a writer or reader that must be open.
template <typename Impl, typename Step>
auto in_open_topic(Impl* open, failure& f, Step step) -> decltype(step(*open)) {
    if (open != nullptr)
        return step(*open);
    f.set(errc::closed, "topic: {}", make_error_code(errc::closed).message());
    return {};
}

} // namespace ivshmem
