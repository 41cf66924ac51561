// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/resources.hpp"

#include "helpers/catch.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace test {

resources resources::now() {
    resources r;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"})
        r.descriptors += entry.path().empty() ? 0 : 1;
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);)
        r.mappings += line.find("memfd:") != std::string::npos ? 1 : 0;
    return r;
}

std::ostream& operator<<(std::ostream& out, const resources& r) {
    return out << r.descriptors << " descriptors, " << r.mappings << " mappings";
}

descriptor_limit::descriptor_limit(std::size_t more) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    // The limit is on the number of a descriptor; the lowest free one comes next.
    const int next = ::fcntl(0, F_DUPFD_CLOEXEC, 0);
    REQUIRE(next >= 0);
    ::close(next);
    rlimit lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(next) + more;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
}

descriptor_limit::~descriptor_limit() {
    ::setrlimit(RLIMIT_NOFILE, &before_);
}

} // namespace test
