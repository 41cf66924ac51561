// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/operation.hpp"

#include <vector>

namespace ivshmemctl {

/// A list of changes of the system, of which all are made or none.
class transaction {
  public:
    /// @param undo The operations that undo it, in this order.
    void add(operation apply, std::vector<operation> undo = {});
    /// Returns whether the operation was added.
    [[nodiscard]] bool has(const operation& what) const;
    [[nodiscard]] bool empty() const noexcept { return steps_.empty(); }
    /// Prints the shell commands.
    void print() const;
    /// Makes the changes. Prints each change if `verbose`, and one that takes long unless `quiet`.
    /// If a change fails, undoes those before it, the last first, and throws std::runtime_error. If
    /// a signal arrives, undoes them too, and then lets the signal end the program.
    void carry_out(bool verbose, bool quiet) const;

  private:
    struct step {
        operation apply;
        std::vector<operation> undo;
    };

    std::vector<step> steps_;
};

} // namespace ivshmemctl
