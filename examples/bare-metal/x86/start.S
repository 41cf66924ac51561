/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The entry of a multiboot 1 kernel: 32-bit protected mode, no paging; ebx has the information. */

        .section .multiboot, "a"
        .align 4
        .long 0x1badb002, 0, -0x1badb002 /* magic, no wishes, checksum */

        .text
        .globl start
start:  cli
        mov $stack_top, %esp
        lgdt gdt_pointer
        ljmp $8, $1f
1:      mov $16, %ax
        mov %ax, %ds
        mov %ax, %es
        mov %ax, %ss
        sub $12, %esp /* the stack is aligned to 16 bytes at a call */
        push %ebx
        call x86_begin
2:      cli
        hlt
        jmp 2b

        .section .rodata
        .align 8
gdt:    .quad 0
        .quad 0x00cf9a000000ffff /* 8: code */
        .quad 0x00cf92000000ffff /* 16: data */
gdt_pointer:
        .word . - gdt - 1
        .long gdt

        .bss
        .align 16
        .skip 16384
stack_top:

        .section .note.GNU-stack, "", @progbits
