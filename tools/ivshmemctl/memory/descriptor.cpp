// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "memory/descriptor.hpp"

#include "caught_signals.hpp"
#include "common/print.hpp"

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ivshmemctl {

descriptor descriptor::for_reading(const std::string& path) {
    if (path.empty())
        return {STDIN_FILENO, "the standard input", false};
    descriptor opened{::open(path.c_str(), O_RDONLY | O_CLOEXEC), path, true};
    if (opened.fd_ < 0)
        opened.fail("open");
    return opened;
}

descriptor descriptor::for_writing(const std::string& path) {
    if (path.empty())
        return {STDOUT_FILENO, "the standard output", false};
    descriptor opened{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), path,
                      true};
    if (opened.fd_ < 0)
        opened.fail("open");
    return opened;
}

descriptor::descriptor(descriptor&& other) noexcept
    : fd_{std::exchange(other.fd_, -1)}, name_{std::move(other.name_)}, owned_{other.owned_} {}

descriptor::~descriptor() {
    if (owned_ && fd_ >= 0)
        ::close(fd_);
}

bool descriptor::is_terminal() const {
    return ::isatty(fd_) == 1;
}

std::optional<std::uint64_t> descriptor::size() const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0)
        fail("fstat");
    // Files in /proc are regular too, and have size 0.
    if (!S_ISREG(status.st_mode) || status.st_size == 0)
        return std::nullopt;
    const off_t begin = ::lseek(fd_, 0, SEEK_CUR);
    if (begin < 0)
        fail("lseek");
    return begin < status.st_size ? static_cast<std::uint64_t>(status.st_size - begin) : 0;
}

std::size_t descriptor::read(std::span<std::byte> into) const {
    std::size_t done = 0;
    while (done < into.size() && !caught_signals::arrived()) {
        const auto got = ::read(fd_, into.data() + done, into.size() - done);
        if (got < 0 && errno != EINTR)
            fail("read");
        if (got == 0)
            break;
        if (got > 0)
            done += static_cast<std::size_t>(got);
    }
    return done;
}

std::size_t descriptor::write(std::span<const std::byte> bytes) const {
    std::size_t done = 0;
    while (done < bytes.size() && !caught_signals::arrived()) {
        const auto put = ::write(fd_, bytes.data() + done, bytes.size() - done);
        if (put < 0 && errno != EINTR)
            fail("write");
        if (put > 0)
            done += static_cast<std::size_t>(put);
    }
    return done;
}

void descriptor::close() {
    const int fd = std::exchange(fd_, -1);
    if (owned_ && ::close(fd) != 0)
        fail("close");
}

void descriptor::fail(const char* step) const {
    throw std::runtime_error{
        tools::format("{}: {}: {}", name_, step, std::generic_category().message(errno))};
}

} // namespace ivshmemctl
