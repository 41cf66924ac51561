// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "options.hpp"
#include "report.hpp"

#include <ivshmem/device.hpp>

namespace conformance {

/// Runs the checks that need two or three parties: every vector of every party is rung by every
/// other, and messages pass through the memory in every direction. Overwrites the memory.
void with_peers(ivshmem::device& dev, const options& o, report& r);

} // namespace conformance
