// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "session.hpp"

#include "report.hpp"

#include <ivshmem/shared_memory.hpp>

#include <atomic>
#include <random>

#include <unistd.h>

namespace conformance {

namespace {

constexpr std::uint64_t magic_value = 0x3130666e6f637669; // "ivconf01"
constexpr std::size_t slot_bytes = 1024;
constexpr std::size_t header_bytes = 4096;
constexpr std::uint32_t state_of_first = 0x69760200; ///< no state that others have by chance

/// The bytes of a party's part of memory that all may write.
std::size_t each_part(const ivshmem::device& dev, unsigned parties) {
    return (dev.memory().size() - header_bytes) / parties / 8 * 8;
}

std::uint64_t random_run() {
    std::random_device source;
    return (std::uint64_t{source()} << 32U | source()) | 1U; // never 0
}

} // namespace

session::session(ivshmem::device& dev, const options& o)
    : dev_{dev}, timeout_{o.timeout}, me_{o.role.value_or(0)}, parties_{o.parties},
      v2_{dev.generation() == ivshmem::device_generation::v2} {
    const std::size_t size = v2_ ? dev.output_section().size() : dev.memory().size();
    expect(size >= 2 * header_bytes, "the memory is too small");
    auto& mine = known_.at(me_);
    mine = {random_run(), dev.id(), dev.capabilities().interrupts, dev.capabilities().ring};
    write(run, 0);
    write(id, mine.id);
    write(interrupts, mine.interrupts);
    write(ring, mine.ring ? 1 : 0);
    write(progress, 0);
    for (unsigned other = 0; other < parties_; ++other)
        write(seen + other, 0);
    write(magic, magic_value);
    write(run, mine.run);
    if (v2_)
        dev.set_state(state_of_first + me_);
}

const std::byte* session::page_of(unsigned role) const {
    if (!v2_)
        return dev_.memory().data() + role * slot_bytes;
    if (role == me_)
        return dev_.output_section().data();
    auto& id = ids_.at(role);
    for (std::uint32_t peer = 0; !id && peer < dev_.max_peers(); ++peer)
        if (peer != dev_.id() && dev_.peer_state(peer) == state_of_first + role)
            id = peer;
    return id ? dev_.output_section(*id).data() : nullptr;
}

std::uint64_t session::read(unsigned role, std::size_t which) const {
    const std::byte* const page = page_of(role);
    if (page == nullptr)
        return 0;
    const void* const at = page + which * 8;
    const std::uint64_t value = *static_cast<const volatile std::uint64_t*>(at);
    std::atomic_thread_fence(std::memory_order_acquire);
    return value;
}

void session::write(std::size_t which, std::uint64_t value) {
    ivshmem::shared_memory::publish(); // earlier stores must be visible first
    void* const at =
        (v2_ ? dev_.output_section().data() : dev_.memory().data() + me_ * slot_bytes) + which * 8;
    *static_cast<volatile std::uint64_t*>(at) = value;
    ivshmem::shared_memory::publish(); // flushes write-combining buffers
}

void session::pause(unsigned role, clock::time_point deadline, const char* what) const {
    expect(clock::now() < deadline, "party " + std::to_string(role + 1) + " " + what);
    ::usleep(50);
}

bool session::meet(unsigned other) {
    if (read(other, magic) != magic_value)
        return false;
    const std::uint64_t theirs = read(other, run);
    if (theirs == 0)
        return false;
    if (known_.at(other).run != theirs) {
        known_.at(other).run = theirs;
        write(seen + other, theirs);
    }
    return read(other, seen + me_) == known_.at(me_).run && read(other, run) == theirs;
}

void session::meet() {
    const auto deadline = clock::now() + timeout_;
    for (unsigned other = 0; other < parties_; ++other) {
        if (other == me_)
            continue;
        while (!meet(other)) {
            for (unsigned more = 0; more < parties_; ++more)
                if (more != me_)
                    meet(more); // a party that waits for this one must not wait for a third
            pause(other, deadline, "did not come");
        }
        auto& theirs = known_.at(other);
        theirs.id = static_cast<std::uint16_t>(read(other, id));
        theirs.interrupts = static_cast<std::uint32_t>(read(other, interrupts));
        theirs.ring = read(other, ring) != 0;
    }
}

std::span<const std::byte> session::section(unsigned role) const {
    if (v2_ && role != me_)
        return dev_.output_section(ids_.at(role).value()).subspan(header_bytes);
    if (role == me_)
        return own_section();
    const std::size_t each = each_part(dev_, parties_);
    return dev_.memory().bytes().subspan(header_bytes + role * each, each);
}

std::span<std::byte> session::own_section() const {
    if (v2_)
        return dev_.output_section().subspan(header_bytes);
    const std::size_t each = each_part(dev_, parties_);
    return dev_.memory().bytes().subspan(header_bytes + me_ * each, each);
}

void session::reach(std::uint64_t step) {
    write(progress, step);
}

bool session::has_reached(unsigned role, std::uint64_t step) const {
    const bool reached = read(role, progress) >= step;
    expect(read(role, run) == known_.at(role).run,
           "party " + std::to_string(role + 1) + " was started again");
    return reached;
}

void session::await(unsigned role, std::uint64_t step) const {
    await(role, step, [] {});
}

void session::await_all(std::uint64_t step) const {
    for (unsigned other = 0; other < parties_; ++other)
        if (other != me_)
            await(other, step);
}

} // namespace conformance
