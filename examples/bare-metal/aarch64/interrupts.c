/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A GICv2 with GICv2m, which turns the message of the device into an interrupt, and the generic
   timer: the clock, and the end of a sleep. */

#include "machine.h"
#include "platform.h"

enum { TIMER = 27 /* the virtual timer */, NOTHING = 1020 };
enum { CONTROL = 0x0, ENABLE = 0x100, PRIORITY = 0x400, TARGET = 0x800, EDGES = 0xc00 };
enum { MASK = 0x4, ACKNOWLEDGE = 0xc, END = 0x10 };
enum { MESSAGE_KIND = 0x8, MESSAGE_SET = 0x40 };

static volatile uint32_t rings, seen;
static uint32_t ring_number; /* of the interrupt */

static volatile uint32_t* distributor(uint32_t offset) {
    return machine_register(MACHINE_GIC_DISTRIBUTOR, offset);
}

static uint64_t ticks(void) {
    uint64_t value;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value));
    return value;
}

static uint64_t ticks_each_second(void) {
    uint64_t value;
    __asm__("mrs %0, cntfrq_el0" : "=r"(value));
    return value;
}

static void set_timer(uint64_t count, uint64_t control) {
    __asm__ volatile("msr cntv_tval_el0, %0; msr cntv_ctl_el0, %1; isb"
                     :
                     : "r"(count), "r"(control));
}

static void enable(uint32_t number) {
    *distributor(ENABLE + number / 32 * 4) = 1U << number % 32;
}

void aarch64_interrupt(void);
void aarch64_interrupt(void) {
    const uint32_t number = *machine_register(MACHINE_GIC_INTERFACE, ACKNOWLEDGE);
    if ((number & 0x3ff) >= NOTHING)
        return;
    if ((number & 0x3ff) == TIMER)
        set_timer(0, 0); /* its interrupt lasts until it is off */
    else if ((number & 0x3ff) == ring_number)
        ++rings;
    *machine_register(MACHINE_GIC_INTERFACE, END) = number;
}

void interrupts_begin(void) {
    *distributor(CONTROL) = 1;
    *machine_register(MACHINE_GIC_INTERFACE, MASK) = 0xff; /* all priorities */
    *machine_register(MACHINE_GIC_INTERFACE, CONTROL) = 1;
    enable(TIMER);
    __asm__ volatile("msr daifclr, #2" : : : "memory");
}

bool platform_interrupt(uint32_t* address, uint32_t* data) {
    const uint32_t kind = *machine_register(MACHINE_GIC_MESSAGES, MESSAGE_KIND);
    const uint32_t shift = (kind >> 16 & 0x3ff) % 4 * 8;
    ring_number = kind >> 16 & 0x3ff;
    if ((kind & 0x3ff) == 0)
        return false;
    *distributor(TARGET + ring_number / 4 * 4) |= 1U << shift; /* processor 0 */
    *distributor(EDGES + ring_number / 16 * 4) |=
        2U << ring_number % 16 * 2; /* a message is an edge */
    enable(ring_number);
    *address = MACHINE_GIC_MESSAGES + MESSAGE_SET;
    *data = ring_number;
    return true;
}

uint32_t platform_rings(void) {
    return rings;
}

uint32_t platform_now(void) {
    return (uint32_t)(ticks() / (ticks_each_second() / 1000));
}

void platform_wait(uint32_t milliseconds) {
    __asm__ volatile("msr daifset, #2" : : : "memory");
    if (rings == seen && milliseconds != 0) {
        set_timer(milliseconds * (ticks_each_second() / 1000), 1);
        __asm__ volatile("dsb sy; wfi" : : : "memory"); /* ends also while interrupts are masked */
    }
    __asm__ volatile("msr daifclr, #2; isb; msr daifset, #2" : : : "memory");
    seen = rings;
    set_timer(0, 0);
    __asm__ volatile("msr daifclr, #2" : : : "memory");
}
