// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/operation.hpp"

#include <vector>

namespace ivshmemctl {

/// Changes of the system that are all made, or none of them.
class transaction {
  public:
    /// @param undo What takes the operation back, in this order.
    void add(operation apply, std::vector<operation> undo = {});
    /// Whether an operation is among those that were added.
    [[nodiscard]] bool has(const operation& what) const;
    [[nodiscard]] bool empty() const noexcept { return steps_.empty(); }
    /// Prints the commands of a shell.
    void print() const;
    /// Makes the changes; each is told of where `verbose`, one that takes long unless `quiet`.
    /// Where one fails, those before it are undone, the last first, and what failed is thrown
    /// (std::runtime_error). Where a signal asks for the end, they are undone too, and the signal
    /// then ends the program.
    void carry_out(bool verbose, bool quiet) const;

  private:
    struct step {
        operation apply;
        std::vector<operation> undo;
    };

    std::vector<step> steps_;
};

} // namespace ivshmemctl
