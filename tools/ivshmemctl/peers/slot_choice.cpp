// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/slot_choice.hpp"

#include "number.hpp"
#include "subcommand.hpp"

namespace ivshmemctl {

void add_slot_choice(subcommand& sub, slot_choice& choice) {
    add_number(sub, {"--slot", "N", "the slot of channels to take (the first free one)"},
               choice.number);
    sub.add_flag("--reformat", choice.reformat,
                 "use the memory even if it holds other data, or channels of another geometry");
}

} // namespace ivshmemctl
