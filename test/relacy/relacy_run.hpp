// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "relacy_words.hpp"

#include <cstdio>
#include <iostream>

namespace test {

/// The results of a program.
struct relacy_totals {
    unsigned passed = 0;
    unsigned failed = 0;

    /// Prints them. @return The status of the program.
    [[nodiscard]] int report() const {
        std::printf("%u passed, %u failed\n", passed, failed);
        return failed == 0 ? 0 : 1;
    }
};

/// Runs a test with random schedules, and with all schedules with so many preemptions.
/// @param sound Whether it must pass. @param context_bound 0: random schedules only.
template <typename Test>
void run(relacy_totals& totals, const char* name, bool sound, unsigned context_bound = 4) {
    bool holds = true;
    // Relacy has its own allocator while it runs: no growing stream.
    std::ostream nowhere{nullptr};
    for (const auto how : {rl::random_scheduler_type, rl::fair_context_bound_scheduler_type}) {
        if (how == rl::fair_context_bound_scheduler_type && context_bound == 0)
            continue;
        rl::test_params params;
        params.search_type = how;
        params.context_bound = context_bound;
        params.iteration_count = 300'000;
        params.output_stream = sound ? &std::cout : &nowhere;
        params.progress_stream = &nowhere;
        holds = holds && rl::simulate<Test>(params);
    }
    ++(holds == sound ? totals.passed : totals.failed);
    std::printf("%s %s: %s\n", holds == sound ? "ok  " : "FAIL", name,
                holds ? "nothing found" : "found");
    std::fflush(stdout);
}

} // namespace test
