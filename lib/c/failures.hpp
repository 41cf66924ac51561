// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/error.hpp>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

/// The C API. Inside, every failure is an exception; guarded() is the one place where they end.
namespace ivshmem::capi {

/// Keeps the message of the exception that is being handled for ivshmem_last_error().
/// @return Its code. @pre Called in a handler.
int caught() noexcept;

/// Runs a function of the C API.
/// @param body Returns its result: 0 or -EAGAIN. Without a result, it is 0.
template <typename Body>
[[gnu::always_inline]] inline int guarded(Body&& body) noexcept {
    try {
        if constexpr (std::is_void_v<decltype(body())>) {
            body();
            return 0;
        } else {
            return body();
        }
    } catch (...) {
        return caught();
    }
}

/// Throws an error of the system. @param text What is wrong.
[[noreturn]] void refuse(int number, const char* text);

/// Throws -EINVAL unless a condition holds.
inline void require(bool holds, const char* otherwise) {
    if (!holds) [[unlikely]]
        refuse(EINVAL, otherwise);
}
/// Throws -EINVAL if a parameter is NULL.
inline void require(const void* parameter) {
    require(parameter != nullptr, "a parameter is NULL that must not be");
}
/// Throws an error that a function without a throwing twin reported.
inline void raise_if(std::error_code ec) {
    if (ec) [[unlikely]]
        throw error{ec, ec.message()};
}

} // namespace ivshmem::capi
