// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "region.hpp"

#include "base/text.hpp"
#include "service/log.hpp"
#include "service/sealed_memory.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fstream>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace ivshmem_server {

namespace {

using ivshmem::failure;

constexpr const char* smaller = "choose a smaller size (-l)";

/// Returns the page size of the file in bytes: that of huge pages in a hugetlbfs.
std::uint64_t page_size(int fd) {
    struct statfs where {};
    if (::fstatfs(fd, &where) == 0 && where.f_type == HUGETLBFS_MAGIC)
        return static_cast<std::uint64_t>(where.f_bsize);
    return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void round_up(region& r, std::uint64_t asked) {
    const std::uint64_t page = page_size(r.fd.get());
    r.size = std::max(std::bit_ceil(asked), page);
    if (r.size != asked)
        service::log::info("size {} rounded up to {}: a power of two, and pages of {}", asked,
                           r.size, page);
}

void resize(const region& r, failure& f) {
    if (::ftruncate(r.fd.get(), static_cast<off_t>(r.size)) != 0)
        f.set_errno(errno, "{}: cannot make it {} bytes long; {}", r.name, r.size, smaller);
}

/// Returns the bytes that can still be allocated in the file's file system, for a message.
std::uint64_t free_bytes(int fd) {
    struct statfs where {};
    if (::fstatfs(fd, &where) != 0)
        return 0;
    const auto page = static_cast<std::uint64_t>(where.f_bsize);
    if (where.f_type != HUGETLBFS_MAGIC)
        return static_cast<std::uint64_t>(where.f_bavail) * page;
    std::uint64_t pages = 0;
    std::ifstream{ivshmem::formatted("/sys/kernel/mm/hugepages/hugepages-{}kB/free_hugepages",
                                     page / 1024)} >>
        pages;
    return pages * page;
}

/// Allocates all pages. A page that cannot be allocated later would be a SIGBUS in a client.
void allocate(const region& r, failure& f) {
    int number = EINTR;
    while (number == EINTR)
        number = ::posix_fallocate(r.fd.get(), 0, static_cast<off_t>(r.size));
    if (number == 0)
        return;
    f.set_errno(number,
                "{}: cannot allocate {} bytes; its file system has {} bytes free, in pages of {}; "
                "{} or make room",
                r.name, r.size, free_bytes(r.fd.get()), page_size(r.fd.get()), smaller);
}

region make_memfd(const options& o, failure& f) {
    region r;
    r.name = "memfd";
    round_up(r, o.size);
    r.fd = service::make_sealed_memory(r.size, f);
    return r;
}

/// Refuses an object that another user could shrink, which would be a SIGBUS in every client.
void check_owner(const region& r, const struct stat& now, failure& f) {
    const auto refuse = [&](const std::string& why) {
        f.set(std::make_error_code(std::errc::operation_not_permitted),
              ivshmem::formatted("{}: {}; remove it, or choose another name (-M)", r.name, why));
    };
    if (!S_ISREG(now.st_mode))
        refuse("it is not a regular file");
    else if (now.st_uid != ::geteuid())
        refuse(ivshmem::formatted("it belongs to uid {}, which could shrink it, and this server "
                                  "runs as uid {}",
                                  now.st_uid, ::geteuid()));
    else if ((now.st_mode & S_IWOTH) != 0)
        refuse(ivshmem::formatted("all users may write it (mode {:04o}), and could shrink it",
                                  now.st_mode & 07777));
}

region open_named(const options& o, failure& f) {
    region r;
    r.name = "shared memory object " + o.shm_name;
    // O_NONBLOCK: a FIFO must not block before it is refused.
    r.fd.reset(::shm_open(o.shm_name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NONBLOCK,
                          S_IRUSR | S_IWUSR));
    if (!r.fd) {
        f.set_errno(errno, "{}: cannot open it; choose another name (-M)", r.name);
        return r;
    }
    struct stat now {};
    if (::fstat(r.fd.get(), &now) != 0) {
        f.set_errno(errno, "{}: cannot ask for its size", r.name);
        return r;
    }
    check_owner(r, now, f);
    if (f)
        return r;
    round_up(r, o.size);
    const auto size = static_cast<std::uint64_t>(now.st_size);
    if (size > r.size)
        f.set(std::make_error_code(std::errc::file_exists),
              ivshmem::formatted("{}: it exists with {} bytes, and shrinking it to {} would crash "
                                 "its users; give that size (-l {}) or remove it",
                                 r.name, size, r.size, size));
    else if (size < r.size)
        resize(r, f);
    if (!f)
        allocate(r, f);
    // An object without a size is new: a server that fails leaves none behind.
    if (f && size == 0)
        ::shm_unlink(o.shm_name.c_str());
    return r;
}

region make_file(const options& o, failure& f) {
    region r;
    r.name = "a file in " + o.directory;
    r.fd.reset(::open(o.directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!r.fd && (errno == EOPNOTSUPP || errno == EISDIR)) {
        std::string name = o.directory + "/ivshmem.XXXXXX";
        r.fd.reset(::mkostemp(name.data(), O_CLOEXEC));
        if (r.fd)
            ::unlink(name.c_str());
    }
    if (!r.fd) {
        f.set_errno(
            errno,
            "{}: cannot create the shared memory; -m takes a writable directory (-M takes a name)",
            r.name);
        return r;
    }
    round_up(r, o.size);
    resize(r, f);
    if (!f)
        allocate(r, f);
    return r;
}

} // namespace

region make_region(const options& o, failure& f) {
    if (!o.directory.empty())
        return make_file(o, f);
    if (!o.shm_name.empty())
        return open_named(o, f);
    return make_memfd(o, f);
}

} // namespace ivshmem_server
