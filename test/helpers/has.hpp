// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "catch.hpp"

#include <string>
#include <string_view>

namespace test {

/// Returns whether the text has this part. An assertion that fails for it shows the text.
inline bool has(std::string_view text, std::string_view part) {
    UNSCOPED_INFO(std::string(text));
    return text.find(part) != std::string_view::npos;
}

} // namespace test
