// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/doorbell_writer.hpp"

#include "base/unique_fd.hpp"
#include "base/wait_fds.hpp"

#include <array>
#include <cerrno>
#include <mutex>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ivshmem {

namespace {

/// The begin of the ring of completed reads, which the kernel maps at the context's address. It is
/// an interface of the kernel: libaio reads it too (aio_ring, fs/aio.c).
struct completions {
    unsigned id;
    unsigned size;
    unsigned head; ///< written by the reader
    unsigned tail; ///< written by the kernel
};

/// The contexts without a user. io_destroy() waits for some 10 ms, so they are used again.
class idle_contexts {
  public:
    aio_context_t take(pid_t process) noexcept {
        const std::lock_guard lock{mutex_};
        if (process_ != process)
            size_ = 0; // those of the process that forked
        return size_ > 0 ? contexts_.at(--size_) : 0;
    }
    bool put(aio_context_t context, pid_t process) noexcept {
        const std::lock_guard lock{mutex_};
        if (process_ != process)
            size_ = 0;
        process_ = process;
        if (size_ == contexts_.size())
            return false;
        contexts_.at(size_++) = context;
        return true;
    }

  private:
    std::mutex mutex_;
    std::array<aio_context_t, 16> contexts_{};
    std::size_t size_ = 0;
    pid_t process_ = 0;
};

constinit idle_contexts idle;

bool write_now(int fd) noexcept {
    pollfd entry{fd, POLLOUT, 0};
    if (retry_eintr([&] { return ::poll(&entry, 1, 0); }) == 0)
        return true; // a full eventfd is signalled already
    return signal_eventfd(fd);
}

} // namespace

doorbell_writer::~doorbell_writer() {
    if (context_ != 0 && owner_ == ::getpid() && !idle.put(context_, owner_))
        ::syscall(SYS_io_destroy, context_);
}

bool doorbell_writer::set_up() noexcept {
    constexpr unsigned at_once = 8; // of fs.aio-max-nr, 65536 for all processes
    owner_ = ::getpid();
    context_ = idle.take(owner_);
    unavailable_ = context_ == 0 && ::syscall(SYS_io_setup, at_once, &context_) != 0;
    return !unavailable_;
}

bool doorbell_writer::signal(int fd) noexcept {
    if (unavailable_ || (context_ == 0 && !set_up()))
        return write_now(fd);
    iocb read{};
    read.aio_lio_opcode = IOCB_CMD_PREAD; // of 0 bytes, which an eventfd refuses at once
    read.aio_fildes = static_cast<unsigned>(fd);
    read.aio_flags = IOCB_FLAG_RESFD;
    read.aio_resfd = static_cast<unsigned>(fd);
    iocb* const reads = &read;
    if (retry_eintr([&] { return ::syscall(SYS_io_submit, context_, 1, &reads); }) == 1) {
        // The kernel's name for a context is the address of its completions.
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        auto* const done = reinterpret_cast<completions*>(context_);
        __atomic_store_n(&done->head, __atomic_load_n(&done->tail, __ATOMIC_ACQUIRE),
                         __ATOMIC_RELEASE);
        return true;
    }
    if (errno == EBADF)
        return false;
    unavailable_ = owner_ == ::getpid(); // after a fork() a new context works
    if (unavailable_)
        idle.put(context_, owner_);
    context_ = 0;
    return signal(fd);
}

} // namespace ivshmem
