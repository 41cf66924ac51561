// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "descriptor_store.hpp"

#include "service/log.hpp"

#include <array>
#include <cstdint>
#include <utility>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ivshmem_share {

using ivshmem::failure;
using ivshmem::unique_fd;
namespace systemd = service::systemd;

namespace {

constexpr const char* state_name = "state";
/// The offset of the text, and its length: written last.
using header = std::array<std::uint32_t, 2>;
constexpr std::uint32_t half = 1U << 20U;

} // namespace

descriptor_store::descriptor_store(std::vector<systemd::passed_descriptor>&& passed,
                                   std::optional<unique_fd>& listening, failure& f) {
    for (auto& [name, fd] : passed) {
        if (!systemd::is_listening(fd.get(), SOCK_SEQPACKET)) {
            passed_.insert_or_assign(name, std::move(fd));
        } else if (listening) {
            f.set(std::make_error_code(std::errc::invalid_argument),
                  "LISTEN_FDS: more than one socket was passed; the socket unit must have one "
                  "ListenSequentialPacket=/a/path");
        } else {
            listening = std::move(fd);
        }
    }
    if (!passed_.empty() && !listening)
        f.set(std::make_error_code(std::errc::invalid_argument),
              "LISTEN_FDS: no listening UNIX packet socket was passed; the socket unit must have "
              "ListenSequentialPacket=/a/path and Accept=no");
    if (f || !systemd::has_manager())
        return;
    memory_ = take(state_name);
    memory_ ? read() : make_memory(f);
}

void descriptor_store::make_memory(failure& f) {
    memory_ = unique_fd{::memfd_create("ivshmem-share", MFD_CLOEXEC)};
    if (!memory_)
        f.set_errno(errno, "memfd: cannot create the state that a restart needs");
    else
        keep(state_name, memory_.get());
}

void descriptor_store::read() {
    header where{};
    const auto got = ::pread(memory_.get(), where.data(), sizeof where, 0);
    if (got != sizeof where || where[1] > half)
        return;
    text_.resize(where[1]);
    if (::pread(memory_.get(), text_.data(), text_.size(), where[0]) !=
        static_cast<ssize_t>(text_.size()))
        text_.clear();
    second_half_ = where[0] > half;
}

void descriptor_store::write(const std::string& text) {
    if (!memory_)
        return;
    const auto length = static_cast<std::uint32_t>(text.size());
    const std::uint32_t at = sizeof(header) + (second_half_ ? 0 : half);
    const header where{at, length};
    if (length > half || ::pwrite(memory_.get(), text.data(), length, at) != length ||
        ::pwrite(memory_.get(), where.data(), sizeof where, 0) != sizeof where)
        return service::log::error("memfd: cannot write the state: a restart would disconnect "
                                   "programs");
    second_half_ = !second_half_;
}

unique_fd descriptor_store::take(const std::string& name) {
    const auto found = passed_.find(name);
    if (found == passed_.end())
        return {};
    unique_fd fd = std::move(found->second);
    passed_.erase(found);
    return fd;
}

void descriptor_store::drop_rest() {
    for (const auto& [name, fd] : std::exchange(passed_, {}))
        forget(name);
}

void descriptor_store::keep(const std::string& name, int fd) {
    if (systemd::has_manager())
        systemd::store(name, fd);
}

void descriptor_store::forget(const std::string& name) {
    if (systemd::has_manager())
        systemd::forget(name);
}

} // namespace ivshmem_share
