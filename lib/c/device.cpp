// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/device_object.hpp"
#include "c/failures.hpp"
#include "c/structs.hpp"

#include <ivshmem/selector.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace ivshmem::capi {
namespace {

open_options open_options_from(const ivshmem_open_options& given) {
    require(given.backend >= IVSHMEM_BACKEND_NONE && given.backend <= IVSHMEM_BACKEND_SHARED,
            "ivshmem_open_options: no such backend");
    require(given.cache >= IVSHMEM_CACHE_ANY && given.cache <= IVSHMEM_CACHE_UNCACHED,
            "ivshmem_open_options: no such cache mode");
    require(given.part_size != 0 || given.part_offset == 0,
            "ivshmem_open_options: part_offset without part_size");
    open_options result;
    if (given.backend != IVSHMEM_BACKEND_NONE)
        result.backend = static_cast<backend_kind>(given.backend - 1);
    if (given.cache != IVSHMEM_CACHE_ANY)
        result.cache = static_cast<cache_mode>(given.cache - 1);
    if (given.part_size != 0)
        result.part = memory_region{given.part_offset, given.part_size};
    if (given.timeout_ms != 0)
        result.timeout = std::chrono::milliseconds{given.timeout_ms};
    if (given.settle_ms != 0)
        result.settle = std::chrono::milliseconds{given.settle_ms};
    result.vectors = given.vectors;
    result.trust_server = given.trust_server != 0;
    if (given.root != nullptr)
        result.root = given.root;
    return result;
}

std::uint32_t capabilities_in_c(const device_capabilities& can) noexcept {
    return (can.ring ? std::uint32_t{IVSHMEM_CAN_RING} : 0) |
           (can.removal_events ? std::uint32_t{IVSHMEM_CAN_REPORT_REMOVAL} : 0) |
           (can.peer_events ? std::uint32_t{IVSHMEM_CAN_REPORT_PEERS} : 0) |
           (can.state_events ? std::uint32_t{IVSHMEM_CAN_REPORT_STATES} : 0);
}

ivshmem_device_user user_in_c(const device_user& of) noexcept {
    ivshmem_device_user result{};
    result.process = of.process;
    result.user = of.user;
    of.use.copy(result.use, sizeof result.use - 1);
    return result;
}

device& device_of(const ivshmem_device* handle) {
    return *use<device_object>(handle).opened;
}

} // namespace
} // namespace ivshmem::capi

using namespace ivshmem::capi;

extern "C" {

int ivshmem_device_open(const char* which, const ivshmem_open_options* options,
                        ivshmem_device** device) {
    return guarded([&] {
        require(which);
        require(device);
        auto made = std::make_unique<device_object>();
        made->opened = std::make_shared<ivshmem::device>(ivshmem::device::open(
            ivshmem::selector::parse(which), open_options_from(options_from(options))));
        if (const auto* info = made->opened->info())
            made->described.emplace(*info);
        *device = make_handle(std::move(made));
    });
}

int ivshmem_device_close(ivshmem_device* device) {
    return guarded([&] { end_handle<device_object>(device); });
}

int ivshmem_device_get_facts(ivshmem_device* device, ivshmem_device_facts* facts) {
    return guarded([&] {
        const auto& of = device_of(device);
        ivshmem_device_facts result{};
        result.description = of.description().c_str();
        result.backend = static_cast<int>(of.backend()) + 1;
        result.generation = of.generation() == ivshmem::device_generation::v2 ? 2 : 1;
        result.capabilities = capabilities_in_c(of.capabilities());
        result.interrupts = of.capabilities().interrupts;
        result.vectors = of.vectors();
        result.max_peers = of.max_peers();
        result.id = of.id();
        result.protocol = of.protocol() ? *of.protocol() : -1;
        give_facts(result, facts);
    });
}

int ivshmem_device_get_info(ivshmem_device* device, ivshmem_device_info* info) {
    return guarded([&] {
        const auto& of = use<device_object>(device);
        check_facts(info);
        if (!of.described)
            refuse(ENODATA, "the device is a place at a server, and no PCI device");
        give_facts(of.described->in_c(), info);
    });
}

int ivshmem_device_get_memory(ivshmem_device* device, ivshmem_memory* memory) {
    return guarded([&] {
        const auto& of = device_of(device).memory();
        ivshmem_memory result{};
        result.address = of.data();
        result.length = of.size();
        result.cache = static_cast<int>(of.mode()) + 1;
        result.reason = of.reason().c_str();
        give_facts(result, memory);
    });
}

void ivshmem_publish() {
    ivshmem::shared_memory::publish();
}

uint32_t ivshmem_load32(const void* word) {
    return __atomic_load_n(static_cast<const uint32_t*>(word), __ATOMIC_ACQUIRE);
}

void ivshmem_store32(void* word, uint32_t value) {
    ivshmem::shared_memory::publish();
    __atomic_store_n(static_cast<uint32_t*>(word), value, __ATOMIC_RELEASE);
}

int ivshmem_device_ring(ivshmem_device* device, uint32_t peer, uint32_t vector) {
    return guarded([&] { device_of(device).ring(peer, vector); });
}

int ivshmem_device_get_interrupt_fd(ivshmem_device* device, uint32_t vector, int* fd) {
    return guarded([&] {
        const auto& of = device_of(device);
        require(fd);
        *fd = of.interrupt_fd(vector);
    });
}

int ivshmem_device_take(ivshmem_device* device, uint32_t vector, uint64_t* rings) {
    return guarded([&] {
        const auto taken = device_of(device).take(vector);
        if (rings != nullptr)
            *rings = taken;
    });
}

int ivshmem_device_wait(ivshmem_device* device, uint32_t vector, int timeout_ms, uint64_t* rings) {
    return guarded([&] {
        const auto taken = device_of(device).wait(vector, std::chrono::milliseconds{timeout_ms});
        if (rings != nullptr)
            *rings = taken;
    });
}

int ivshmem_device_get_any_interrupt_fd(ivshmem_device* device, int* fd) {
    return guarded([&] {
        const auto& of = device_of(device);
        require(fd);
        *fd = of.any_interrupt_fd();
    });
}

int ivshmem_device_take_any(ivshmem_device* device, uint32_t* vector, uint64_t* rings) {
    return guarded([&] {
        auto& of = device_of(device);
        require(vector);
        const auto taken = of.take_any();
        if (!taken)
            return -EAGAIN;
        *vector = taken->vector;
        if (rings != nullptr)
            *rings = taken->count;
        return 0;
    });
}

int ivshmem_device_get_event_fd(ivshmem_device* device, int* fd) {
    return guarded([&] {
        const auto& of = device_of(device);
        require(fd);
        *fd = of.event_fd();
    });
}

int ivshmem_device_next_event(ivshmem_device* device, ivshmem_event* event) {
    return guarded([&] {
        auto& of = device_of(device);
        check_facts(event); // an event that was taken must not get lost
        const auto next = of.next_event();
        if (!next)
            return -EAGAIN;
        ivshmem_event result{};
        result.type = static_cast<int>(next->type);
        result.peer = next->peer;
        give_facts(result, event);
        return 0;
    });
}

int ivshmem_device_get_peers(ivshmem_device* device, uint16_t* ids, size_t capacity,
                             size_t* count) {
    return guarded([&] {
        auto& of = device_of(device);
        require(count);
        require(ids != nullptr || capacity == 0, "ivshmem_device_get_peers: ids is NULL");
        const auto peers = of.peers();
        std::copy_n(peers.begin(), std::min(capacity, peers.size()), ids);
        *count = peers.size();
    });
}

int ivshmem_device_get_users(ivshmem_device* device, ivshmem_device_user* users, size_t capacity,
                             size_t* count) {
    return guarded([&] {
        auto& of = device_of(device);
        require(count);
        require(users != nullptr || capacity == 0, "ivshmem_device_get_users: users is NULL");
        const auto all = of.users();
        for (std::size_t i = 0; i < all.size() && i < capacity; ++i)
            users[i] = user_in_c(all[i]);
        *count = all.size();
    });
}

} // extern "C"
