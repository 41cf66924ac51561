/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The board mps2-an385 (ARM, Application Note AN385): a Cortex-M3 at 25 MHz. */
#ifndef MPS2_AN385_H
#define MPS2_AN385_H

#include <stdint.h>

#define PSRAM 0x21000000U

/* Milliseconds since the start. */
uint32_t board_now(void);
/* Writes to the first serial port. */
void board_print(const char* text);
void board_print_number(uint32_t number);

#endif
