// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "limits.hpp"

#include "base/text.hpp"
#include "log.hpp"
#include "options.hpp"

#include <algorithm>
#include <cstdint>

#include <sys/resource.h>

namespace ivshmem_server {

unsigned client_capacity(unsigned vectors, unsigned wanted, ivshmem::failure& f) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        f.set_errno(errno, "RLIMIT_NOFILE: cannot read the limit of open descriptors");
        return 0;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        const rlimit raised{limit.rlim_max, limit.rlim_max};
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }

    // Standard streams, socket, memory, epoll, timer, signals, syslog and inherited ones; and one
    // for a client that is being refused.
    constexpr std::uint64_t own = 24;
    const std::uint64_t each = vectors + 1;
    const std::uint64_t numbers = limit.rlim_cur;
    const std::uint64_t fit =
        std::min<std::uint64_t>(numbers > own ? (numbers - own) / each : 0, most_clients);
    const std::uint64_t least = std::max(1U, wanted);
    if (fit < least) {
        f.set(std::make_error_code(std::errc::too_many_files_open),
              ivshmem::formatted(
                  "{} clients with {} vectors take {} descriptors, and the limit is {}; "
                  "raise it (ulimit -n, LimitNOFILE=) or lower --max-clients or -n",
                  least, vectors, own + least * each, numbers));
        return 0;
    }
    log::detail("the limit of {} open descriptors allows {} clients", numbers, fit);
    return wanted != 0 ? wanted : static_cast<unsigned>(fit);
}

std::size_t descriptor_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : SIZE_MAX;
}

} // namespace ivshmem_server
