/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A PC: serial port, PCI configuration, random numbers, command line. */

#include "platform.h"
#include "ports.h"

enum { SERIAL = 0x3f8, SERIAL_EMPTY = 0x20, PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc };
enum { CMOS_INDEX = 0x70, CMOS_DATA = 0x71, CMOS_SECONDS = 0, CMOS_MINUTES = 2, CMOS_HOURS = 4 };

static const char* command_line = "";

void platform_put(char character) {
    while ((in8(SERIAL + 5) & SERIAL_EMPTY) == 0)
        continue;
    out8(SERIAL, (uint8_t)character);
}

const char* platform_command_line(void) {
    return command_line;
}

static uint32_t pci_port(uint32_t slot, uint32_t offset) {
    out32(PCI_ADDRESS, 0x80000000U | slot << 11 | offset);
    return PCI_DATA;
}

uint32_t platform_pci_read(uint32_t slot, uint32_t offset) {
    return in32((uint16_t)pci_port(slot, offset));
}

void platform_pci_write(uint32_t slot, uint32_t offset, uint32_t value) {
    out32((uint16_t)pci_port(slot, offset), value);
}

uintptr_t platform_pci_place(uint32_t size, bool memory) {
    (void)size;
    (void)memory;
    return 0;
}

static uint8_t cmos(uint8_t index) {
    out8(CMOS_INDEX, index);
    return in8(CMOS_DATA);
}

uint32_t platform_random(void) {
    uint32_t a = 1, b = 0, c = 0, d = 0, low, high;
    uint8_t ok = 0;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((c >> 30 & 1) != 0) {
        uint32_t word;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(word), "=qm"(ok));
        if (ok)
            return word;
    }
    /* Good enough to be another one after each start: the time of day, and how long the boot took.
     */
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    a = (uint32_t)cmos(CMOS_HOURS) << 16 | (uint32_t)cmos(CMOS_MINUTES) << 8 | cmos(CMOS_SECONDS);
    return (low ^ high << 16) * 2654435761U + a * 2246822519U;
}

/* The address of what the boot loader knows: multiboot 1. */
void x86_begin(const uint32_t* information);

void x86_begin(const uint32_t* information) {
    if ((information[0] & 4) != 0) /* there is a command line */
        command_line = (const char*)information[4];
    interrupts_begin();
    bare_metal();
}
