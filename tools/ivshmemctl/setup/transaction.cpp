// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/transaction.hpp"

#include "command.hpp"
#include "common/print.hpp"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace ivshmemctl {

void transaction::add(operation apply, std::vector<operation> undo) {
    steps_.push_back({std::move(apply), std::move(undo)});
}

bool transaction::has(const operation& what) const {
    return std::any_of(steps_.begin(), steps_.end(),
                       [&](const auto& one) { return one.apply.shell == what.shell; });
}

void transaction::print() const {
    for (const auto& each : steps_)
        tools::print("{}\n", each.apply.shell);
}

void transaction::carry_out(bool verbose, bool quiet) const {
    blocked_signals stop;
    const auto perform = [&](const operation& what, const char* before) {
        if (verbose)
            complain(before + what.shell);
        stop.begin_step(quiet ? "" : what.shell);
        what.perform(stop);
    };
    const auto roll_back = [&](std::size_t count) {
        bool clean = true;
        while (count-- > 0)
            for (const auto& undo : steps_[count].undo)
                try {
                    perform(undo, "undo: ");
                } catch (const std::exception& e) {
                    complain(tools::format("could not be undone: {}", e.what()));
                    clean = false;
                }
        return clean;
    };
    std::size_t done = 0;
    std::string failure;
    try {
        while (done < steps_.size() && stop.arrived() == 0) {
            perform(steps_[done].apply, "");
            ++done;
        }
    } catch (const std::exception& e) {
        failure = e.what();
    }
    if (failure.empty() && stop.arrived() == 0)
        return;
    const bool undone = roll_back(done) && done != 0;
    if (stop.arrived() != 0) {
        complain(undone ? "interrupted: all changes were undone" : "interrupted");
        stop.raise_arrived();
    }
    throw std::runtime_error{failure + (undone ? " (the changes before it were undone)" : "")};
}

} // namespace ivshmemctl
