// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

namespace test {

/// The library's random words are the same after each call, so an input has the same effect each
/// time.
void restart_random();

} // namespace test
