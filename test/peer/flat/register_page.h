/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The registers of ivshmem-flat (QEMU, hw/misc/ivshmem-flat.c) as a page of shared memory, which a
   program on the host serves: words of the memory, so what a register does at once takes a
   handshake here. */
#ifndef REGISTER_PAGE_H
#define REGISTER_PAGE_H

enum {
    REGISTER_PAGE = 7 << 20, /* its offset in the shared memory */
    CHANNELS = 8 << 20,      /* the offset of the region for channels */
    MEMORY = 16 << 20,       /* the memory of the machine, which all is in */

    IV_POSITION = 0x8, /* as in the device */
    DOORBELL = 0xc,    /* as in the device; the host looks at it when RUNG changes */

    /* What the page has beside them. */
    PRESENT = 0x10, /* the host: not 0 when the page is served */
    RUNG = 0x14,    /* the guest: changes with each ring */
    TAKEN = 0x18,   /* the host: RUNG, when the ring was passed on */
    RANDOM = 0x1c   /* the host: another word at each look of the guest's start */
};

#endif
