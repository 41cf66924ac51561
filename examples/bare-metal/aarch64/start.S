/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The entry, at EL1 with the MMU off, and the exceptions. */

        .text
        .globl start
start:  ldr x1, =stack_top
        mov sp, x1
        ldr x1, =vectors
        msr vbar_el1, x1
        bl aarch64_begin
1:      wfi
        b 1b

        /* Saves what a C function may change. */
interrupt:
        stp x0, x1, [sp, #-192]!
        stp x2, x3, [sp, #16]
        stp x4, x5, [sp, #32]
        stp x6, x7, [sp, #48]
        stp x8, x9, [sp, #64]
        stp x10, x11, [sp, #80]
        stp x12, x13, [sp, #96]
        stp x14, x15, [sp, #112]
        stp x16, x17, [sp, #128]
        stp x18, x29, [sp, #144]
        str x30, [sp, #160]
        bl aarch64_interrupt
        ldr x30, [sp, #160]
        ldp x18, x29, [sp, #144]
        ldp x16, x17, [sp, #128]
        ldp x14, x15, [sp, #112]
        ldp x12, x13, [sp, #96]
        ldp x10, x11, [sp, #80]
        ldp x8, x9, [sp, #64]
        ldp x6, x7, [sp, #48]
        ldp x4, x5, [sp, #32]
        ldp x2, x3, [sp, #16]
        ldp x0, x1, [sp], #192
        eret

        .align 11
vectors:
        .rept 5
        .align 7
        b aarch64_fault
        .endr
        .align 7 /* an IRQ at EL1 with its own stack */
        b interrupt
        .rept 10
        .align 7
        b aarch64_fault
        .endr

        .bss
        .align 4
        .skip 16384
stack_top:

        .section .note.GNU-stack, "", %progbits
