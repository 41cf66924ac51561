// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "options.hpp"
#include "report.hpp"

#include <ivshmem/device.hpp>

namespace conformance {

/// Checks what takes two or three: every vector of every party rung by every other, and messages
/// through the memory every way. Overwrites the memory.
void with_peers(ivshmem::device& dev, const options& o, report& r);

} // namespace conformance
