// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

// Each header includes this one before it uses anything of C++20.
#if __cplusplus < 202002L
#error "libivshmem needs C++20: -std=c++20"
#include <ivshmem/needs-c++20> // there is no such file: the compiler stops here
#endif

/// Exports a symbol from the shared library; all others stay hidden.
#define IVSHMEM_API __attribute__((visibility("default")))
/// Hides a member of an exported class.
#define IVSHMEM_HIDDEN __attribute__((visibility("hidden")))
