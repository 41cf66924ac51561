// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

/// The messages of the vfio-user protocol 0.0 (QEMU, docs/interop/vfio-user.rst), in the byte order
/// of the host. Those that carry a structure of VFIO are named by linux/vfio.h: vfio_region_info,
/// vfio_irq_info and vfio_irq_set.
namespace ivshmem_device::wire {

enum class command : std::uint16_t {
    version = 1,
    dma_map = 2,
    dma_unmap = 3,
    device_info = 4,
    region_info = 5,
    region_io_fds = 6,
    irq_info = 7,
    set_irqs = 8,
    region_read = 9,
    region_write = 10,
    reset = 13,
};

inline constexpr std::uint32_t type_mask = 0xf; ///< of header::flags; 0: a request
inline constexpr std::uint32_t reply = 0x1;
inline constexpr std::uint32_t no_reply = 0x10; ///< the client waits for no reply
inline constexpr std::uint32_t error = 0x20;

struct header {
    std::uint16_t id = 0; ///< chosen by the client; its reply has the same
    std::uint16_t command = 0;
    std::uint32_t size = 0; ///< bytes of the whole message
    std::uint32_t flags = 0;
    std::uint32_t error = 0; ///< errno, in a reply with the flag
};
static_assert(sizeof(header) == 16);

/// Followed by a JSON text that ends with a zero byte.
struct version {
    std::uint16_t major = 0;
    std::uint16_t minor = 0;
};
static_assert(sizeof(version) == 4);

struct dma_map {
    std::uint32_t argsz = 0;
    std::uint32_t flags = 0;
    std::uint64_t offset = 0;
    std::uint64_t address = 0;
    std::uint64_t size = 0;
};
static_assert(sizeof(dma_map) == 32);

struct dma_unmap {
    std::uint32_t argsz = 0;
    std::uint32_t flags = 0;
    std::uint64_t address = 0;
    std::uint64_t size = 0;
};
static_assert(sizeof(dma_unmap) == 24);

/// The begin of vfio_device_info, whose later fields the protocol lacks.
struct device_info {
    std::uint32_t argsz = 0;
    std::uint32_t flags = 0;
    std::uint32_t regions = 0;
    std::uint32_t irqs = 0;
};
static_assert(sizeof(device_info) == 16);

/// The begin of VFIO's capability of the areas of a region that can be mapped,
/// vfio_region_info_cap_sparse_mmap; the areas, vfio_region_sparse_mmap_area, follow.
struct sparse_areas {
    std::uint16_t id = 1;
    std::uint16_t version = 1;
    std::uint32_t next = 0;
    std::uint32_t count = 0;
    std::uint32_t reserved = 0;
};
static_assert(sizeof(sparse_areas) == 16);

/// Of a read and a write, and of the reply to each. The bytes follow a write and the reply to a
/// read.
struct region_access {
    std::uint64_t offset = 0;
    std::uint32_t region = 0;
    std::uint32_t count = 0;
};
static_assert(sizeof(region_access) == 16);

/// Copies a structure from the begin of some bytes, which must be long enough.
template <typename Structure>
Structure load(std::span<const std::byte> from) {
    Structure s;
    std::memcpy(&s, from.data(), sizeof s);
    return s;
}

/// Appends a structure to some bytes.
template <typename Structure>
void append(std::vector<std::byte>& to, const Structure& s) {
    const auto bytes = std::as_bytes(std::span{&s, 1});
    to.insert(to.end(), bytes.begin(), bytes.end());
}

} // namespace ivshmem_device::wire
