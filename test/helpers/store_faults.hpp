// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <csetjmp>
#include <cstddef>

#include <signal.h>

namespace test {

/// Whether a store raises SIGSEGV, as one into memory that is mapped read-only. Otherwise it stores
/// the byte that is there.
inline bool store_faults(const std::byte* at) {
    static std::jmp_buf faulted; // a signal handler reaches nothing else
    struct sigaction before {};
    struct sigaction caught {};
    caught.sa_handler = [](int) {
        std::longjmp(faulted, 1);
    };
    caught.sa_flags = SA_NODEFER;
    ::sigaction(SIGSEGV, &caught, &before);
    volatile bool result = true;
    if (setjmp(faulted) == 0) {
        auto* const writable = const_cast<volatile std::byte*>(at); // NOLINT
        *writable = *writable;
        result = false;
    }
    ::sigaction(SIGSEGV, &before, nullptr);
    return result;
}

} // namespace test
