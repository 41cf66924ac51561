// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <span>
#include <string>

namespace ivshmemctl::conformance {

class other_side;

/// A rule does not hold. Thrown by its check.
struct broken {
    std::string seen, expected;
};
/// Whether a rule holds cannot be seen. Thrown by its check.
struct not_shown {
    std::string why;
};
/// The peer is not there any more. Thrown by any wait.
struct peer_left {
    std::string how;
};
/// A signal has arrived. Thrown by any wait.
struct interrupted {};

inline void require(bool holds, const std::string& seen, const std::string& expected) {
    if (!holds)
        throw broken{seen, expected};
}

/// A rule of channel-layout.md.
struct rule {
    const char* number;         ///< as the page has it in brackets
    const char* text;           ///< the rule in one line
    void (*check)(other_side&); ///< throws if it does not hold; null: cannot be seen from outside
    const char* why = "";       ///< the reason that it cannot be seen
};

/// @name The rules, in the order in which they are checked
/// @{
std::span<const rule> header_rules(); ///< before the tool takes a slot; the others need them
std::span<const rule> directory_rules();
std::span<const rule> opening_rules();
std::span<const rule> ring_rules();
std::span<const rule> sleeping_rules();
std::span<const rule> fault_rules();
std::span<const rule> topic_rules();
std::span<const rule> claim_rules();
/// They end the peer, which comes again.
std::span<const rule> ending_rules();
std::span<const rule> claiming_rules();
/// @}

} // namespace ivshmemctl::conformance
