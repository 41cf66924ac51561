// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backend.hpp"

namespace ivshmem {

std::optional<event> backend::next_event(failure& f) {
    f.set(errc::events_unsupported, "{}: {} reports no events", facts_.name, facts_.description);
    return std::nullopt;
}

std::vector<std::uint16_t> backend::peers(failure& f) {
    f.set(errc::peers_unsupported,
          "{}: the device cannot tell which peers are connected: agree on "
          "the ids, or exchange them through the memory",
          facts_.name);
    return {};
}

} // namespace ivshmem
