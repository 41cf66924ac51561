// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <ostream>

#include <sys/resource.h>

namespace test {

/// The resources of this process that a faulty error path would leak.
struct resources {
    std::size_t descriptors = 0;
    std::size_t mappings = 0; ///< of files and of memfds; the heap's mappings vary

    [[nodiscard]] static resources now();
    bool operator==(const resources&) const = default;
};

std::ostream& operator<<(std::ostream& out, const resources& r);

/// Limits the descriptors of the process to those open now and `more`.
class descriptor_limit {
  public:
    explicit descriptor_limit(std::size_t more);
    descriptor_limit(const descriptor_limit&) = delete;
    descriptor_limit& operator=(const descriptor_limit&) = delete;
    ~descriptor_limit();

  private:
    rlimit before_{};
};

} // namespace test
