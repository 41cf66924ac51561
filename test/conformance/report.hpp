// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

namespace conformance {

/// Fails the current check.
inline void expect(bool holds, const std::string& why) {
    if (!holds)
        throw std::runtime_error{why};
}

/// Prints a line for each check: `ok NAME` or `not ok NAME: why`.
class report {
  public:
    template <typename Check>
    bool check(const std::string& name, Check&& run) {
        try {
            run();
            ++passed_;
            std::printf("ok %s\n", name.c_str());
            std::fflush(stdout);
            return true;
        } catch (const std::exception& e) {
            ++failed_;
            std::printf("not ok %s: %s\n", name.c_str(), e.what());
            std::fflush(stdout);
            return false;
        }
    }

    /// Prints the last line. @return The exit code of the program.
    [[nodiscard]] int finish() const {
        std::printf("%u passed, %u failed\n", passed_, failed_);
        return failed_ == 0 && passed_ != 0 ? 0 : 1;
    }

  private:
    unsigned passed_ = 0;
    unsigned failed_ = 0;
};

} // namespace conformance
