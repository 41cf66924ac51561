// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/version.hpp>

namespace ivshmem {

std::string_view version() noexcept {
    return IVSHMEM_VERSION_STRING;
}

std::uint32_t version_number() noexcept {
    return IVSHMEM_VERSION;
}

} // namespace ivshmem
