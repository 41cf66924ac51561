/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The addresses of QEMU's machine "virt", which its device tree has too. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

#define MACHINE_GIC_DISTRIBUTOR 0x08000000U
#define MACHINE_GIC_INTERFACE 0x08010000U
#define MACHINE_GIC_MESSAGES 0x08020000U /* GICv2m */
#define MACHINE_SERIAL 0x09000000U       /* PL011 */
#define MACHINE_ECAM 0x4010000000U
#define MACHINE_TREE 0x40000000U /* the device tree, at the start of RAM */

/* The 32-bit window of PCI is 0x10000000 to 0x3eff0000. Registers are placed at its start, and
   memory in the part that is mapped as normal, cacheable memory. */
#define MACHINE_PCI_REGISTERS 0x10000000U
#define MACHINE_PCI_MEMORY 0x20000000U
#define MACHINE_PCI_MEMORY_END 0x3e000000U

static inline volatile uint32_t* machine_register(uint64_t base, uint64_t offset) {
    return (volatile uint32_t*)(base + offset);
}

/** Turns the MMU and the caches on. */
void memory_begin(void);
/** Turns the interrupts of the GIC and of the timer on. */
void interrupts_begin(void);
/** Returns the kernel's command line, of the device tree. */
const char* tree_command_line(void);
/** Returns a random word of the device tree, which QEMU makes new at each start. 0: it has none. */
uint32_t tree_random(void);

#endif
