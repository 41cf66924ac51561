/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* Finds properties in the flattened device tree, which is big-endian. */

#include "machine.h"
#include "text.h"

#include <stddef.h>

enum { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOTHING = 4 };

static uint32_t word_at(const unsigned char* at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Returns the value of the first property of this name in any node: those that are wanted here are
   only in /chosen. A null pointer: there is none. */
static const unsigned char* property(const char* name) {
    const unsigned char* const tree = (const unsigned char*)MACHINE_TREE;
    const unsigned char* at = tree + word_at(tree + 8);
    const char* const names = (const char*)tree + word_at(tree + 12);
    if (word_at(tree) != 0xd00dfeedU)
        return NULL;
    for (;;) {
        const uint32_t token = word_at(at);
        at += 4;
        if (token == BEGIN_NODE) {
            while (*at != 0)
                ++at;
            at = (const unsigned char*)(((uintptr_t)at + 4) & ~(uintptr_t)3);
        } else if (token == PROPERTY) {
            const uint32_t size = word_at(at);
            if (same_text(names + word_at(at + 4), name))
                return at + 8;
            at += 8 + ((size + 3) & ~3U);
        } else if (token != END_NODE && token != NOTHING) {
            return NULL;
        }
    }
}

const char* tree_command_line(void) {
    const unsigned char* value = property("bootargs");
    return value != NULL ? (const char*)value : "";
}

uint32_t tree_random(void) {
    const unsigned char* value = property("rng-seed");
    return value != NULL ? word_at(value) : 0;
}
