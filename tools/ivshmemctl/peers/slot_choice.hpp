// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstdint>
#include <optional>

namespace ivshmemctl {

class subcommand;

/// The slot in the memory of a program that talks to peers.
struct slot_choice {
    std::optional<std::uint64_t> number{}; ///< --slot; empty: the first one that is free
    bool reformat = false;                 ///< --reformat
};

void add_slot_choice(subcommand& sub, slot_choice& choice);

} // namespace ivshmemctl
