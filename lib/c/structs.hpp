// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c/failures.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <type_traits>

/// Structs of the C API, which begin with their size, so that they can grow.
namespace ivshmem::capi {

/// More than any version will need: a size that was never set is larger as a rule.
inline constexpr std::size_t largest_struct = 4096;

/// Returns whether a size is one that a program may pass. @throws error EINVAL, E2BIG.
inline void check_struct_size(std::size_t size) {
    require(size >= sizeof(std::size_t), "the size of a struct is not set");
    if (size > largest_struct)
        refuse(E2BIG, "the size of a struct is not set, or impossible");
}

/// Copies options that a program passes, of any version. NULL: all fields 0, the defaults.
/// @throws error EINVAL, E2BIG (a field that this version does not know is set).
template <typename T>
T options_from(const T* given) {
    static_assert(std::is_trivially_copyable_v<T>);
    T known{};
    if (given == nullptr)
        return known;
    const std::size_t size = given->size;
    check_struct_size(size);
    const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
    if (std::any_of(bytes + std::min(size, sizeof known), bytes + size,
                    [](unsigned char byte) { return byte != 0; }))
        refuse(E2BIG, "the options have a field that this version of the library does not know");
    std::memcpy(&known, given, std::min(size, sizeof known));
    return known;
}

/// Checks, before anything changes, that facts can be returned in a struct.
template <typename T>
void check_facts(const T* to) {
    require(to);
    check_struct_size(to->size);
}

/// Returns facts in the struct of a program, of any version.
template <typename T>
void give_facts(T facts, T* to) {
    static_assert(std::is_trivially_copyable_v<T>);
    check_facts(to);
    const std::size_t size = to->size;
    facts.size = size;
    std::memcpy(static_cast<void*>(to), &facts, std::min(size, sizeof facts));
    if (size > sizeof facts)
        std::memset(reinterpret_cast<unsigned char*>(to) + sizeof facts, 0, size - sizeof facts);
}

} // namespace ivshmem::capi
