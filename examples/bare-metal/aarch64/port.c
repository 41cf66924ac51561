/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* QEMU's machine "virt": serial port, PCI configuration and BARs, random numbers. */

#include "machine.h"
#include "platform.h"
#include "text.h"

enum { SERIAL_FLAGS = 0x18, SERIAL_FULL = 0x20 };

void platform_put(char character) {
    while ((*machine_register(MACHINE_SERIAL, SERIAL_FLAGS) & SERIAL_FULL) != 0)
        continue;
    *machine_register(MACHINE_SERIAL, 0) = (uint32_t)character;
}

const char* platform_command_line(void) {
    return tree_command_line();
}

uint32_t platform_pci_read(uint32_t slot, uint32_t offset) {
    return *machine_register(MACHINE_ECAM, (uint64_t)slot << 15 | offset);
}

void platform_pci_write(uint32_t slot, uint32_t offset, uint32_t value) {
    *machine_register(MACHINE_ECAM, (uint64_t)slot << 15 | offset) = value;
}

uintptr_t platform_pci_place(uint32_t size, bool memory) {
    static uintptr_t registers = MACHINE_PCI_REGISTERS, shared = MACHINE_PCI_MEMORY;
    uintptr_t* const next = memory ? &shared : &registers;
    const uintptr_t end = memory ? MACHINE_PCI_MEMORY_END : MACHINE_PCI_MEMORY;
    const uintptr_t address = (*next + size - 1) & ~((uintptr_t)size - 1);
    if (address + size > end)
        return 0;
    *next = address + size;
    return address;
}

uint32_t platform_random(void) {
    /* A step of a generator, whose seed is another one after each start. */
    static uint32_t state;
    uint64_t ticks;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks));
    state = (state ^ tree_random() ^ (uint32_t)ticks) * 2654435761U + 1;
    return state ^ state >> 16;
}

__attribute__((noreturn)) void aarch64_fault(void);
void aarch64_fault(void) {
    say("the processor reports a fault");
    for (;;)
        __asm__ volatile("wfi");
}

void aarch64_begin(void);
void aarch64_begin(void) {
    memory_begin();
    interrupts_begin();
    bare_metal();
}
