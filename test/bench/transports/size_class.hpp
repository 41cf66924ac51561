// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"

namespace bench {

/// A message of a fixed size, as the element of a queue of such.
template <std::size_t Size>
struct element {
    alignas(8) std::byte bytes[Size];
};

/// The sizes for which queues of elements are instantiated. Beyond them an element is better
/// passed by a pointer, which two guests cannot do.
template <std::size_t... Sizes>
struct size_classes {
    template <class Function>
    static bool with(std::size_t size, Function&& function) {
        return ((size == Sizes && (function.template operator()<Sizes>(), true)) || ...);
    }
};
using element_sizes = size_classes<8, 64, 512, 4096, 65536>;
inline constexpr const char* other_size = "only messages of 8, 64, 512, 4096 or 65536 bytes";

} // namespace bench
