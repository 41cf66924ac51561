// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace service {

/// Converts the size of a region, as QEMU's server takes it, to a decimal number of bytes: a
/// decimal number with a suffix B, K, M, G, T, P or E in either case, which may have a fraction, or
/// a hexadecimal number after 0x without a suffix. Without a suffix the number counts bytes.
/// @return what is wrong with the text; empty if nothing is.
std::string convert_size(std::string& text);

} // namespace service
