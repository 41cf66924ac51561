// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

/// Marks what the shared library exports; all else stays hidden.
#define IVSHMEM_API __attribute__((visibility("default")))
/// Marks what it hides again, inside a class that is exported.
#define IVSHMEM_HIDDEN __attribute__((visibility("hidden")))
