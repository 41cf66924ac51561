/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A PC: the HPET is the clock, and the local APIC has the interrupts: the device's by MSI-X, and
   that of its own timer, which ends a sleep. */

#include "platform.h"
#include "ports.h"
#include "text.h"

enum { RING = 0x40, TIMER = 0x41, SPURIOUS = 0xff, FAULTS = 32 };

/* The local APIC's registers, in words. */
enum {
    APIC_ID = 0x20 / 4,
    APIC_END = 0xb0 / 4,
    APIC_SPURIOUS = 0xf0 / 4,
    APIC_TIMER = 0x320 / 4,
    APIC_COUNT = 0x380 / 4,
    APIC_LEFT = 0x390 / 4,
    APIC_DIVIDE = 0x3e0 / 4
};
#define APIC_ADDRESS 0xfee00000U
static volatile uint32_t* const apic = (volatile uint32_t*)APIC_ADDRESS;

/* The address is that of QEMU and of most PCs; ACPI's table "HPET" has it. */
static volatile uint32_t* const hpet = (volatile uint32_t*)0xfed00000U;
enum { HPET_PERIOD = 0x4 / 4, HPET_CONFIGURATION = 0x10 / 4, HPET_COUNTER = 0xf0 / 4 };

struct frame;
static struct gate { uint16_t low, selector, kind, high; } gates[256] __attribute__((aligned(8)));

static volatile uint32_t rings, seen;
static uint32_t hpet_ticks, apic_ticks; /* per millisecond */

__attribute__((interrupt)) static void on_ring(struct frame* frame) {
    (void)frame;
    ++rings;
    apic[APIC_END] = 0;
}

__attribute__((interrupt)) static void on_timer(struct frame* frame) {
    (void)frame;
    apic[APIC_END] = 0;
}

__attribute__((interrupt)) static void on_nothing(struct frame* frame) {
    (void)frame;
}

__attribute__((noreturn)) static void on_fault(void) {
    say("the processor reports a fault");
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void set_gate(uint32_t vector, uintptr_t handler) {
    gates[vector] = (struct gate){(uint16_t)handler, 8, 0x8e00, (uint16_t)(handler >> 16)};
}

uint32_t platform_now(void) {
    /* The counter passes 2^32 in a minute; this is called more often. */
    static uint32_t milliseconds, at;
    const uint32_t passed = (hpet[HPET_COUNTER] - at) / hpet_ticks;
    at += passed * hpet_ticks;
    return milliseconds += passed;
}

void interrupts_begin(void) {
    const struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {sizeof gates - 1, (uint32_t)gates};
    uint32_t i, from;
    for (i = 0; i < FAULTS; ++i)
        set_gate(i, (uintptr_t)on_fault);
    set_gate(RING, (uintptr_t)on_ring);
    set_gate(TIMER, (uintptr_t)on_timer);
    set_gate(SPURIOUS, (uintptr_t)on_nothing);
    __asm__ volatile("lidt %0" : : "m"(pointer));
    out8(0x21, 0xff); /* not the old interrupt controllers */
    out8(0xa1, 0xff);
    apic[APIC_SPURIOUS] = 0x100 | SPURIOUS; /* on */

    hpet[HPET_CONFIGURATION] |= 1;                         /* the counter runs */
    hpet_ticks = 1000000000U / (hpet[HPET_PERIOD] / 1000); /* the period is in femtoseconds */
    apic[APIC_DIVIDE] = 0x3;                               /* by 16 */
    apic[APIC_TIMER] = TIMER;                              /* once */
    from = hpet[HPET_COUNTER];
    apic[APIC_COUNT] = 0xffffffffU;
    while (hpet[HPET_COUNTER] - from < 10 * hpet_ticks)
        continue;
    apic_ticks = (0xffffffffU - apic[APIC_LEFT]) / 10;
    apic[APIC_COUNT] = 0;
}

bool platform_interrupt(uint32_t* address, uint32_t* data) {
    *address = APIC_ADDRESS | apic[APIC_ID] >> 24 << 12;
    *data = RING;
    return true;
}

uint32_t platform_rings(void) {
    return rings;
}

void platform_wait(uint32_t milliseconds) {
    __asm__ volatile("cli");
    if (rings == seen && milliseconds != 0) {
        apic[APIC_COUNT] = (milliseconds < 1000 ? milliseconds : 1000) * apic_ticks;
        __asm__ volatile("sti; hlt; cli" ::: "memory"); /* no interrupt comes before hlt */
        apic[APIC_COUNT] = 0;
    }
    seen = rings;
    __asm__ volatile("sti" ::: "memory");
}
