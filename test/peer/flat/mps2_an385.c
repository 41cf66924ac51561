/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

#include "mps2_an385.h"

#include <stddef.h>

static volatile uint32_t milliseconds;

static volatile uint32_t* word_at(uint32_t address) {
    return (volatile uint32_t*)(uintptr_t)address;
}

/* ARM v7-M Architecture Reference Manual, "The system timer, SysTick". */
enum { SYST_CSR = 0, SYST_RVR = 4, SYST_CVR = 8 };
#define SYSTICK 0xe000e010U

/* Cortex-M System Design Kit, "APB UART". */
enum { UART_DATA = 0, UART_STATE = 4, UART_CTRL = 8, UART_BAUDDIV = 16 };
#define UART 0x40004000U

extern unsigned char data_begin[], data_end[], data_image[], bss_begin[], bss_end[], stack_end[];
int main(void);

/* The compiler calls these. */
void* memcpy(void* to, const void* from, size_t bytes);
void* memset(void* to, int value, size_t bytes);

void* memcpy(void* to, const void* from, size_t bytes) {
    volatile unsigned char* t = to;
    const unsigned char* f = from;
    while (bytes-- != 0)
        *t++ = *f++;
    return to;
}

void* memset(void* to, int value, size_t bytes) {
    volatile unsigned char* t = to;
    while (bytes-- != 0)
        *t++ = (unsigned char)value;
    return to;
}

void start(void);
void start(void) {
    memcpy(data_begin, data_image, (size_t)(data_end - data_begin));
    memset(bss_begin, 0, (size_t)(bss_end - bss_begin));
    *word_at(UART + UART_BAUDDIV) = 16;
    *word_at(UART + UART_CTRL) = 1; /* it sends */
    *word_at(SYSTICK + SYST_RVR) = 25000 - 1;
    *word_at(SYSTICK + SYST_CVR) = 0;
    *word_at(SYSTICK + SYST_CSR) = 7; /* of the processor's clock, with interrupts */
    main();
    for (;;)
        __asm__ volatile("wfi");
}

static void tick(void) {
    ++milliseconds;
}

static void fault(void) {
    board_print("fault\n");
    for (;;)
        __asm__ volatile("wfi");
}

typedef void (*vector)(void);
__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    (vector)(void*)stack_end,
    start,
    fault,
    fault,
    fault,
    fault,
    fault,
    NULL,
    NULL,
    NULL,
    NULL,
    fault,
    fault,
    NULL,
    fault,
    tick};

uint32_t board_now(void) {
    return milliseconds;
}

void board_print(const char* text) {
    for (; *text != 0; ++text) {
        while ((*word_at(UART + UART_STATE) & 1) != 0) {
        }
        *word_at(UART + UART_DATA) = (unsigned char)*text;
    }
}

void board_print_number(uint32_t number) {
    char text[11];
    char* first = text + sizeof text - 1;
    *first = 0;
    do
        *--first = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    board_print(first);
}
