// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/sealed_memory.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace service {

namespace {

#ifndef MFD_NOEXEC_SEAL
constexpr unsigned MFD_NOEXEC_SEAL = 8; // Linux 6.3
#endif

} // namespace

ivshmem::unique_fd make_sealed_memory(std::uint64_t size, ivshmem::failure& f) {
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    ivshmem::unique_fd fd{::memfd_create("ivshmem", flags | MFD_NOEXEC_SEAL)};
    if (!fd && errno == EINVAL)
        fd.reset(::memfd_create("ivshmem", flags));
    if (!fd)
        f.set_errno(errno, "memfd: cannot create the shared memory");
    else if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0)
        f.set_errno(errno, "memfd: cannot make it {} bytes long; choose a smaller size", size);
    else if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        f.set_errno(errno, "memfd: cannot seal its size");
    return fd;
}

} // namespace service
