// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "limits.hpp"

#include "base/text.hpp"
#include "options.hpp"
#include "service/descriptor_limit.hpp"
#include "service/log.hpp"

#include <algorithm>
#include <cstdint>

namespace ivshmem_server {

unsigned client_capacity(unsigned vectors, unsigned wanted, ivshmem::failure& f) {
    const std::uint64_t numbers = service::raise_descriptor_limit(f);
    if (f)
        return 0;

    // Standard streams, socket, memory, epoll, timer, signals, syslog and inherited ones; and one
    // for a client that is being refused.
    constexpr std::uint64_t own = 24;
    const std::uint64_t each = vectors + 1;
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
    service::log::detail("the limit of {} open descriptors allows {} clients", numbers, fit);
    return wanted != 0 ? wanted : static_cast<unsigned>(fit);
}

} // namespace ivshmem_server
