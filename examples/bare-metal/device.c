/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

#include "device.h"

#include "platform.h"

enum {
    IDENTITY = 0x00,
    COMMAND = 0x04,
    BAR0 = 0x10,
    BAR2 = 0x18,
    CAPABILITIES = 0x34,
    IVSHMEM = 0x11101af4,
    SLOTS = 32,
    MEMORY_AND_MASTER = 0x6,
    MSIX = 0x11,
    IVPOSITION = 0x08,
    DOORBELL = 0x0c
};
#define MSIX_ENABLE 0x80000000U
#define MSIX_MASK_ALL 0x40000000U

/* Returns the address of a BAR, and its size; places it unless the firmware has. 0: not usable. */
static uintptr_t bar(uint32_t slot, uint32_t offset, uint32_t* size) {
    const uint32_t was = platform_pci_read(slot, offset);
    const bool wide = (was & 0x6) == 0x4;
    uint32_t mask, high = wide ? platform_pci_read(slot, offset + 4) : 0;
    uintptr_t address;
    platform_pci_write(slot, offset, 0xffffffffU);
    mask = platform_pci_read(slot, offset) & 0xfffffff0U;
    platform_pci_write(slot, offset, was);
    *size = ~mask + 1;
    if (mask == 0) /* 4 GiB or more, or no such BAR */
        return 0;
    address = platform_pci_place(*size, offset == BAR2);
    if (address == 0)
        return high == 0 ? was & mask : 0;
    platform_pci_write(slot, offset, (uint32_t)address);
    if (wide)
        platform_pci_write(slot, offset + 4, 0);
    return address;
}

/* Connects vector 0 to the processor. @return false: the device, or the platform, has none. */
static bool connect(uint32_t slot, bool* rings) {
    uint32_t at = platform_pci_read(slot, CAPABILITIES) & 0xfc, size, address, data, table;
    volatile uint32_t* entry;
    uintptr_t base;
    while (at != 0 && (platform_pci_read(slot, at) & 0xff) != MSIX)
        at = platform_pci_read(slot, at) >> 8 & 0xfc;
    *rings = at != 0; /* ivshmem-plain has no MSI-X */
    if (at == 0)
        return false;
    table = platform_pci_read(slot, at + 4);
    base = bar(slot, BAR0 + 4 * (table & 7), &size);
    if (base == 0 || !platform_interrupt(&address, &data))
        return false;
    platform_pci_write(slot, COMMAND, platform_pci_read(slot, COMMAND) | MEMORY_AND_MASTER);
    entry = (volatile uint32_t*)(base + (table & ~7U));
    entry[0] = address;
    entry[1] = 0;
    entry[2] = data;
    entry[3] = 0; /* not masked */
    platform_pci_write(slot, at, (platform_pci_read(slot, at) | MSIX_ENABLE) & ~MSIX_MASK_ALL);
    return true;
}

const char* device_open(struct device* device) {
    uint32_t slot = 0, size = 0;
    while (platform_pci_read(slot, IDENTITY) != IVSHMEM)
        if (++slot == SLOTS)
            return "there is no ivshmem device on bus 0";
    /* A BAR must not be probed while the device decodes it. */
    platform_pci_write(slot, COMMAND, platform_pci_read(slot, COMMAND) & ~0x2U);
    device->registers = (volatile uint32_t*)bar(slot, BAR0, &size);
    device->memory = (void*)bar(slot, BAR2, &size);
    device->memory_size = size;
    if (device->registers == NULL || device->memory == NULL)
        return "a BAR is out of reach: above 4 GiB, or too large";
    device->interrupts = connect(slot, &device->rings);
    platform_pci_write(slot, COMMAND, platform_pci_read(slot, COMMAND) | MEMORY_AND_MASTER);
    device->id = (uint16_t)device->registers[IVPOSITION / 4];
    return NULL;
}

void device_ring(const struct device* device, uint16_t peer, uint16_t vector) {
    device->registers[DOORBELL / 4] = (uint32_t)peer << 16 | vector;
}
