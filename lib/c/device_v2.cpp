// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "c/device_object.hpp"
#include "c/failures.hpp"

using namespace ivshmem::capi;

extern "C" {

// The states and the sections of ivshmem-v2.

int ivshmem_device_get_state(ivshmem_device* device, uint32_t* state) {
    return guarded([&] {
        const auto& of = *use<device_object>(device).opened;
        require(state);
        *state = of.state();
    });
}

int ivshmem_device_set_state(ivshmem_device* device, uint32_t state) {
    return guarded([&] { use<device_object>(device).opened->set_state(state); });
}

int ivshmem_device_get_peer_state(ivshmem_device* device, uint32_t peer, uint32_t* state) {
    return guarded([&] {
        const auto& of = *use<device_object>(device).opened;
        require(state);
        *state = of.peer_state(peer);
    });
}

int ivshmem_device_get_output_section(ivshmem_device* device, void** address, size_t* length) {
    return guarded([&] {
        auto& of = *use<device_object>(device).opened;
        require(address);
        require(length);
        const auto section = of.output_section();
        *address = section.data();
        *length = section.size();
    });
}

int ivshmem_device_get_peer_section(ivshmem_device* device, uint32_t peer, const void** address,
                                    size_t* length) {
    return guarded([&] {
        const auto& of = *use<device_object>(device).opened;
        require(address);
        require(length);
        const auto section = of.output_section(peer);
        *address = section.data();
        *length = section.size();
    });
}

} // extern "C"
