// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "device/device_impl.hpp"

#include "backends/server_backend.hpp"
#include "backends/shared_backend.hpp"
#include "backends/uio_backend.hpp"
#include "backends/uio_v2_backend.hpp"
#include "backends/vfio_backend.hpp"
#include "backends/vfio_v2_backend.hpp"
#include "base/deadline.hpp"
#include "base/wait_fds.hpp"
#include "discovery/advice.hpp"
#include "discovery/discovery.hpp"
#include "discovery/selector.hpp"

#include <algorithm>
#include <array>
#include <new>

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace ivshmem {

namespace {

/// QEMU rings vector & 255 if the peer lacks the vector (hw/misc/ivshmem-pci.c).
constexpr std::uint32_t safe_vectors = 256;
constexpr std::uint32_t last_vector = 0xffff; ///< the doorbell register has 16 bits for it

/// Whether it is QEMU's own device, which keeps the subsystem ids that QEMU gives to all devices.
/// It drops rings on vectors that it lacks itself (hw/misc/ivshmem-pci.c, ivshmem_vector_notify),
/// except with INTx: there it has one vector, and its peers may have more.
bool is_of_qemu(const backend_facts& facts) {
    return facts.info && facts.info->subsystem_vendor == 0x1af4 &&
           facts.info->subsystem_device == 0x1100 && !facts.info->intx;
}

/// Returns the number of vectors that may be rung, from 0 on.
std::uint32_t vectors_to_ring(const backend_facts& facts) {
    if (!facts.info) // a server, which drops no ring
        return last_vector + 1;
    // The number is 0 if this user cannot read it.
    if (facts.v2) { // all devices have as many (ivshmem-v2-specification.md, "Doorbell Register")
        const bool known =
            facts.kind != backend_kind::uio || facts.info->type == device_type::doorbell;
        return known ? facts.vectors : last_vector + 1;
    }
    return is_of_qemu(facts) && facts.vectors != 0 ? facts.vectors
                                                   : std::max(safe_vectors, facts.vectors);
}

void check_bars(const device_info& info, failure& f) {
    for (const std::size_t bar : {0U, 2U}) {
        if (info.bars[bar].unplaced())
            return f.set(errc::bar_missing,
                         "{}: the kernel found no place for BAR{}: ivshmemctl doctor {} says more",
                         to_string(info.address), bar, to_string(info.address));
        if (!info.bars[bar].present() || !info.bars[bar].is_memory())
            return f.set(errc::bar_missing,
                         "{}: has no BAR{} ({}); is it an ivshmem device? see "
                         "lspci -vv -s {}",
                         to_string(info.address), bar, bar == 0 ? "registers" : "shared memory",
                         to_string(info.address));
    }
}

/// A device of ivshmem-v2 whose memory has a fixed address has no BAR2 for it.
void check_v2_bars(const device_info& info, failure& f) {
    if (info.driver != "vfio-pci")
        return; // the maps of the UIO node count
    if (info.bars[2].present() || info.bars[2].unplaced() || !info.bars[0].present())
        return check_bars(info, f);
    f.set(errc::bar_missing,
          "{}: has no BAR2: the hypervisor gives the shared memory a fixed address, which vfio-pci "
          "cannot map; {}",
          to_string(info.address), driver_remedy(info));
}

std::unique_ptr<backend> open_pci(const device_info& info, const open_options& options,
                                  failure& f) {
    const std::string name = to_string(info.address);
    const bool v2 = info.generation == device_generation::v2;
    if (v2)
        check_v2_bars(info, f);
    else
        check_bars(info, f);
    if (f)
        return nullptr;
    const auto suitable = backend_for(info);
    if (!suitable) {
        f.set(errc::driver_unsuitable, "{}: {}, which no backend can use; try: {}", name,
              info.driver.empty() ? "an ivshmem-v2 device without a driver"
                                  : "bound to " + info.driver,
              driver_remedy(info));
        return nullptr;
    }
    if (options.backend && *options.backend != *suitable) {
        f.set(errc::driver_unsuitable,
              "{}: the {} backend cannot use a device {}; leave the choice "
              "to the library, or bind another driver",
              name, to_string(*options.backend),
              info.driver.empty() ? "without a driver" : "bound to " + info.driver);
        return nullptr;
    }
    if (*suitable == backend_kind::vfio)
        return v2 ? vfio_v2_backend::open(info, options, f) : vfio_backend::open(info, options, f);
    return v2 ? uio_v2_backend::open(info, options, f) : uio_backend::open(info, options, f);
}

std::unique_ptr<backend> open_backend(const selector& which, const open_options& options,
                                      failure& f) {
    if (options.timeout.count() <= 0) {
        f.set(std::make_error_code(std::errc::invalid_argument),
              "open_options::timeout must be positive");
        return nullptr;
    }
    if (const auto* server = std::get_if<selector::server_at>(&which.what())) {
        if (options.backend.value_or(backend_kind::server) != backend_kind::server) {
            f.set(errc::bad_selector, "{}: the {} backend opens PCI devices, not servers",
                  which.text(), to_string(*options.backend));
            return nullptr;
        }
        if (options.cache.value_or(cache_mode::write_back) != cache_mode::write_back) {
            f.set(errc::cache_mode_unavailable, "{}: the memory of a server is write-back",
                  which.text());
            return nullptr;
        }
        return server_backend::open(server->path, options, f);
    }
    if (const auto* share = std::get_if<selector::share_at>(&which.what())) {
        if (options.backend.value_or(backend_kind::shared) != backend_kind::shared) {
            f.set(errc::bad_selector, "{}: is ivshmem-share, which the {} backend cannot open",
                  which.text(), to_string(*options.backend));
            return nullptr;
        }
        return shared_backend::open(share->path, std::nullopt, true, options, f);
    }
    const auto found = find_devices(options.root, f);
    if (f)
        return nullptr;
    const device_info* const info = choose_device(which, found, f);
    if (info == nullptr)
        return nullptr;
    const auto socket = shared_backend::socket_of(options.root, info->address);
    std::error_code none;
    if (options.backend ? *options.backend == backend_kind::shared
                        : std::filesystem::is_socket(socket, none))
        return shared_backend::open(socket.string(), *info, false, options, f);
    return open_pci(*info, options, f);
}

} // namespace

std::shared_ptr<device::impl> device::impl::open(const selector& which, const open_options& options,
                                                 failure& f) {
    auto backend = open_backend(which, options, f);
    auto opened = f ? nullptr : around(std::move(backend), f);
    if (!f)
        opened->part_offset_ = options.part ? options.part->offset : 0;
    return opened;
}

std::shared_ptr<device::impl> device::impl::around(std::unique_ptr<class backend> open,
                                                   failure& f) {
    auto made = std::make_shared<impl>();
    made->backend_ = std::move(open);
    made->set_up(f);
    return f ? nullptr : made;
}

void device::impl::set_up(failure& f) {
    const auto& facts = backend_->facts();
    const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const address =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) // NOLINT: the macro is C's
        return f.set_errno(errno, "{}: mmap", facts.name);
    page_ = mapping{{static_cast<std::byte*>(address), size}};
    if (::madvise(address, size, MADV_WIPEONFORK) != 0)
        return f.set_errno(errno, "{}: madvise MADV_WIPEONFORK", facts.name);
    vector_end_ = vectors_to_ring(facts);
    new (address)
        detail::doorbell_page{facts.doorbell, facts.doorbell != nullptr ? vector_end_ : 0, true};

    const std::uint32_t interrupts = facts.capabilities.interrupts;
    if (interrupts == 0)
        return;
    std::vector<int> fds;
    for (std::uint32_t vector = 0; vector < interrupts; ++vector)
        fds.push_back(backend_->rings_fd(vector));
    if (backend_->attention_fd() >= 0)
        fds.push_back(backend_->attention_fd());
    any_interrupt_ = make_epoll(facts.name, fds, f);
}

const detail::doorbell_page* device::impl::page() const noexcept {
    const void* const address = page_.bytes().data();
    return static_cast<const detail::doorbell_page*>(address);
}

void device::impl::check_owner(failure& f) const {
    if (!page()->alive)
        f.set(errc::forked, "{}: opened by the parent process: a child must open its own device",
              facts().name);
}

void device::impl::check_vector(std::uint32_t vector, failure& f) const {
    check_owner(f);
    if (f)
        return;
    const auto& facts = backend_->facts();
    if (vector < facts.capabilities.interrupts)
        return;
    if (facts.vectors == 0 && facts.no_interrupts.empty())
        f.set(errc::interrupts_unsupported,
              "{}: an ivshmem-plain device has no interrupts: poll "
              "the memory, or use ivshmem-doorbell",
              facts.name);
    else if (vector < facts.vectors || facts.vectors == 0)
        f.set(errc::interrupts_unsupported, "{}: vector {}: {}", facts.name, vector,
              facts.no_interrupts);
    else
        f.set(errc::vector_out_of_range, "{}: vector {}: the device has the vectors 0 to {}",
              facts.name, vector, facts.vectors - 1);
}

void device::impl::ring(std::uint32_t peer, std::uint32_t vector, failure& f) const {
    check_owner(f);
    if (f)
        return;
    const auto& facts = backend_->facts();
    if (!facts.capabilities.ring)
        return f.set(errc::doorbell_unsupported,
                     "{}: an ivshmem-plain device has no doorbell: use "
                     "ivshmem-doorbell, or poll the memory",
                     facts.name);
    if (peer > 0xffffU)
        return f.set(errc::peer_out_of_range, "{}: ring: peer {}: ids are 0 to 65535", facts.name,
                     peer);
    if (vector >= vector_end_ && is_of_qemu(facts))
        return f.set(errc::vector_out_of_range,
                     "{}: ring: vector {}: QEMU drops rings on vectors that this device lacks "
                     "itself, whatever the peer has; it has the vectors 0 to {} (QEMU: vectors=)",
                     facts.name, vector, vector_end_ - 1);
    if (vector >= vector_end_ && facts.v2)
        return f.set(errc::vector_out_of_range,
                     "{}: ring: vector {}: the device has the vectors 0 to {}, as all of its peers",
                     facts.name, vector, vector_end_ - 1);
    if (vector >= vector_end_)
        return f.set(errc::vector_out_of_range,
                     "{}: ring: vector {}: at most {} can be rung (above 255 only if the device "
                     "itself has as many vectors)",
                     facts.name, vector, vector_end_ - 1);
    backend_->ring(static_cast<std::uint16_t>(peer), static_cast<std::uint16_t>(vector), f);
}

int device::impl::interrupt_fd(std::uint32_t vector, failure& f) const {
    const int rings = rings_fd(vector, f);
    const int attention = backend_->attention_fd();
    if (f || attention < 0)
        return rings;
    const std::lock_guard lock{interrupts_mutex_};
    unique_fd& either = interrupts_[vector];
    if (!either)
        either = make_epoll(facts().name, std::array{rings, attention}, f);
    return either.get();
}

int device::impl::rings_fd(std::uint32_t vector, failure& f) const {
    check_vector(vector, f);
    if (!f)
        backend_->watch(vector, f);
    return f ? -1 : backend_->rings_fd(vector);
}

std::uint64_t device::impl::take(std::uint32_t vector, failure& f) const {
    check_vector(vector, f);
    return f ? 0 : backend_->take(vector, f);
}

std::uint64_t device::impl::wait(std::uint32_t vector, std::chrono::milliseconds timeout,
                                 failure& f) const {
    using clock = std::chrono::steady_clock;
    const auto deadline = timeout.count() < 0 ? clock::time_point::max() : deadline_after(timeout);
    while (true) {
        const std::uint64_t count = take(vector, f);
        if (count != 0 || f)
            return count;
        int left = -1;
        if (timeout.count() >= 0) {
            const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now());
            if (rest.count() <= 0) {
                f.set(errc::timed_out, "{}: vector {} was not rung within {} ms", facts().name,
                      vector, timeout.count());
                return 0;
            }
            left = static_cast<int>(std::min<std::int64_t>(rest.count(), 3'600'000));
        }
        std::array<pollfd, 2> entries{pollfd{backend_->rings_fd(vector), POLLIN, 0},
                                      pollfd{backend_->attention_fd(), POLLIN, 0}};
        if (::poll(entries.data(), entries.size(), left) < 0 && errno != EINTR) {
            f.set_errno(errno, "{}: vector {}: poll", facts().name, vector);
            return 0;
        }
    }
}

int device::impl::any_interrupt_fd(failure& f) const {
    check_vector(0, f);
    for (std::uint32_t vector = 0; !f && vector < facts().capabilities.interrupts; ++vector)
        backend_->watch(vector, f);
    return f ? -1 : any_interrupt_.get();
}

std::optional<interrupt_count> device::impl::take_any(failure& f) const {
    check_vector(0, f);
    const std::uint32_t interrupts = facts().capabilities.interrupts;
    // A vector that polls ready may have no ring to take, so all vectors are tried.
    for (std::uint32_t i = 0; !f && i <= interrupts; ++i) {
        epoll_event ready{};
        if (retry_eintr([&] { return ::epoll_wait(any_interrupt_.get(), &ready, 1, 0); }) <= 0)
            break;
        // Taking from any vector attends to attention_fd(), which is the last.
        const std::uint32_t vector = ready.data.u32 < interrupts ? ready.data.u32 : 0;
        if (const std::uint64_t count = backend_->take(vector, f); count != 0)
            return interrupt_count{static_cast<std::uint16_t>(vector), count};
    }
    return std::nullopt;
}

int device::impl::event_fd(failure& f) const {
    check_owner(f);
    if (!f && backend_->event_fd() < 0)
        f.set(errc::events_unsupported, "{}: {} reports no events", facts().name,
              facts().description);
    return f ? -1 : backend_->event_fd();
}

std::optional<event> device::impl::next_event(failure& f) const {
    static_cast<void>(event_fd(f));
    return f ? std::nullopt : backend_->next_event(f);
}

std::vector<std::uint16_t> device::impl::peers(failure& f) const {
    check_owner(f);
    if (f)
        return {};
    return backend_->peers(f);
}

std::vector<device_user> device::impl::users(failure& f) const {
    check_owner(f);
    return f ? std::vector<device_user>{} : backend_->users(f);
}

} // namespace ivshmem
