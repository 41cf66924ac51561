// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/privileges.hpp"

#include <array>
#include <cstdint>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ivshmem {

privileges own_privileges() noexcept {
    // capget(2): version 3 takes two sets of 32 capabilities each; glibc has no wrapper.
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0)
        return {};
    const auto has = [&](unsigned capability) {
        return (data.at(capability / 32).effective >> (capability % 32) & 1U) != 0;
    };
    const bool may_write = ::geteuid() == 0 || has(CAP_DAC_OVERRIDE);
    return {has(CAP_SYS_RAWIO), may_write && has(CAP_SYS_ADMIN)};
}

} // namespace ivshmem
