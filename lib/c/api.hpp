// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

// The functions in C, exported: their headers must not name a compiler's attribute. No other file
// of the library includes them.
#pragma GCC visibility push(default)
#include <ivshmem/ivshmem.h>
#pragma GCC visibility pop
