// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"
#include "conformance/rule.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ivshmemctl::conformance {

/// Checks rules, and prints what it finds: a line for each, or one object of JSON at the end.
class report {
  public:
    /// @param only The numbers of the rules to check; empty: all.
    report(const common_options& common, std::vector<std::string> only);
    report(const report&) = delete;
    report& operator=(const report&) = delete;
    ~report();

    /// Returns whether there is a rule of this number that can be checked.
    static bool knows(const std::string& number);

    void begin(const other_side& side);
    /// Checks the rules. @param answers Called after a rule that is broken: returns whether the
    /// peer still answers. Null: nothing can be asked yet, and all rules are checked.
    /// @return Whether all hold, or are not shown.
    bool check(other_side& side, std::span<const rule> rules, bool (*answers)(other_side&));
    /// Reports the rules from now on as not shown.
    void give_up(const std::string& why);
    /// Prints the totals. @param complete Whether all rules were checked.
    void end(bool complete);

    [[nodiscard]] unsigned broken() const;
    /// The number of the latest rule.
    [[nodiscard]] const std::string& current() const;

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace ivshmemctl::conformance
