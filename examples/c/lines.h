/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The lines of the standard input, for a program in a slot. */
#ifndef EXAMPLES_C_LINES_H
#define EXAMPLES_C_LINES_H

#include "on_slot.h"

#include <string.h>
#include <unistd.h>

enum { LONGEST_LINE = 64 * 1024 };

/* Calls a function for each line, until the end or a signal. */
static inline void for_each_line(void (*use)(const char* line, size_t size)) {
    static char text[LONGEST_LINE];
    size_t have = 0;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    for (int more = 1; more && !stopped;) {
        /* Not a read that blocks: the slot must answer claims. */
        if (poll(&input, 1, LONGEST_WAIT) <= 0) {
            must(ivshmem_slot_update(slot));
            continue;
        }
        const ssize_t got = read(STDIN_FILENO, text + have, sizeof text - have);
        more = got > 0;
        have += more ? (size_t)got : 0;
        const char* end = NULL;
        while ((end = (const char*)memchr(text, '\n', have)) != NULL) {
            const size_t size = (size_t)(end - text);
            use(text, size);
            have -= size + 1;
            memmove(text, text + size + 1, have);
        }
        if (have == sizeof text)
            fail("a line is too long");
    }
    if (have != 0) /* the last line may have no newline */
        use(text, have);
}

#endif
