/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* The functions that GCC expects even of a freestanding program. */

#include <stddef.h>

void* memcpy(void* to, const void* from, size_t bytes);
void* memset(void* to, int value, size_t bytes);

void* memcpy(void* to, const void* from, size_t bytes) {
    char* target = to;
    const char* source = from;
    while (bytes-- != 0)
        *target++ = *source++;
    return to;
}

void* memset(void* to, int value, size_t bytes) {
    char* target = to;
    while (bytes-- != 0)
        *target++ = (char)value;
    return to;
}
