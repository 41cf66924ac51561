/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The common parts of the examples: errors, numbers, and the end by a signal. */
#ifndef EXAMPLES_C_COMMON_H
#define EXAMPLES_C_COMMON_H

#include <ivshmem/ivshmem.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* The name of the program, for its messages. */
static const char* program;
static volatile sig_atomic_t stopped;

static void stop(int number) {
    (void)number;
    stopped = 1;
}

/* A clean exit frees the slot at once, and closes the channels. */
static inline void stop_on_signals(void) {
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static inline void fail(const char* why) {
    fprintf(stderr, "%s: %s\n", program, why);
    exit(1);
}

/* Ends the program if a call has failed. */
static inline void must(int result) {
    if (result != IVSHMEM_OK)
        fail(result == -EAGAIN ? "nothing to do" : ivshmem_last_error());
}

static inline uint32_t number_of(const char* text) {
    char* end = NULL;
    const unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != 0 || value > 0xffffffffUL) {
        fprintf(stderr, "%s: %s: not a number\n", program, text);
        exit(1);
    }
    return (uint32_t)value;
}

#endif
