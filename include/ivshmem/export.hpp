// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

// Each header includes this one before it uses anything of C++20.
#if __cplusplus < 202002L
#error "libivshmem needs C++20: -std=c++20"
#include <ivshmem/needs-c++20> // there is no such file: the compiler stops here
#endif

/// Marks what the shared library exports; all else stays hidden.
#define IVSHMEM_API __attribute__((visibility("default")))
/// Marks what it hides again, inside a class that is exported.
#define IVSHMEM_HIDDEN __attribute__((visibility("hidden")))
