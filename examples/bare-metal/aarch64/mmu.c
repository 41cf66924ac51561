/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* An identity map of 39 bits, of blocks of 1 GiB; the first GiB, of 2 MiB. Shared memory must be
   normal, cacheable and inner shareable: the other peers map it so, and caches are coherent only
   then. */

#include "machine.h"

enum { DEVICE = 0, NORMAL = 1 }; /* the indices of the kinds in MAIR */
#define KINDS 0xff00U            /* device nGnRnE, and normal write-back */
#define BLOCK 0x1U
#define TABLE 0x3U
#define ACCESSED (1U << 10)
#define INNER_SHAREABLE (3U << 8)
#define NEVER_EXECUTED (3ULL << 53)

static uint64_t gibibytes[512] __attribute__((aligned(4096)));
static uint64_t first[512] __attribute__((aligned(4096))); /* the first GiB */

static uint64_t block(uint64_t address, uint64_t kind) {
    return address | ACCESSED | INNER_SHAREABLE | kind << 2 | BLOCK |
           (kind == DEVICE ? NEVER_EXECUTED : 0);
}

void memory_begin(void) {
    uint64_t i, control;
    for (i = 0; i < 512; ++i) {
        const uint64_t address = i << 21;
        const uint64_t kind =
            address >= MACHINE_PCI_MEMORY && address < MACHINE_PCI_MEMORY_END ? NORMAL : DEVICE;
        first[i] = block(address, kind);
    }
    gibibytes[0] = (uint64_t)first | TABLE;
    gibibytes[1] = block(1ULL << 30, NORMAL); /* RAM */
    gibibytes[MACHINE_ECAM >> 30] = block(MACHINE_ECAM >> 30 << 30, DEVICE);
    __asm__ volatile("msr mair_el1, %0" : : "r"((uint64_t)KINDS));
    /* 39 bits, pages of 4 KiB, the tables in normal shareable memory, no second half, 40 bits out.
     */
    __asm__ volatile("msr tcr_el1, %0"
                     :
                     : "r"(25ULL | 1ULL << 8 | 1ULL << 10 | 3ULL << 12 | 1ULL << 23 | 2ULL << 32));
    __asm__ volatile("msr ttbr0_el1, %0" : : "r"(gibibytes));
    __asm__ volatile("dsb sy; tlbi vmalle1; ic iallu; dsb sy; isb; mrs %0, sctlr_el1"
                     : "=r"(control));
    control |= 1U << 0 | 1U << 2 | 1U << 12; /* the MMU, data and instruction caches */
    __asm__ volatile("msr sctlr_el1, %0; isb" : : "r"(control) : "memory");
}
