/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* What the program needs of a machine. Each port (x86, aarch64) implements it; an RTOS has most of
   it already. */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

void platform_put(char character);
const char* platform_command_line(void);
/** Returns milliseconds since any moment, modulo 2^32. */
uint32_t platform_now(void);
/** Returns a word that is another one after each start. */
uint32_t platform_random(void);
/** Sleeps until a ring, or for `milliseconds`. A ring since the last wait ends it at once. */
void platform_wait(uint32_t milliseconds);
/** Returns the number of interrupts of the device so far. */
uint32_t platform_rings(void);

/** Reads a word of the configuration of a PCI function on bus 0. `offset`: a multiple of 4. */
uint32_t platform_pci_read(uint32_t slot, uint32_t offset);
void platform_pci_write(uint32_t slot, uint32_t offset, uint32_t value);
/** Returns an address for a BAR that the firmware did not place; 0: the firmware places all.
   `size`: a power of two. `memory`: for memory, and not for registers. */
uintptr_t platform_pci_place(uint32_t size, bool memory);
/** Prepares the interrupt of the device. @return false: it has none; then platform_wait() is short.
    @param address, data What the device writes, and to which address, to interrupt. */
bool platform_interrupt(uint32_t* address, uint32_t* data);

/** Called by the port. */
void bare_metal(void);

#endif
