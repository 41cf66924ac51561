/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stdint.h>

/** Prints a line. "%s": the next argument, a string; "%u": a uint32_t. */
void say(const char* format, ...);
/** Copies the value of "name=value" in the command line. @return Whether it is there and fits. */
bool option_text(const char* name, char* into, uint32_t capacity);
/** Returns the numbers of "name=1,2,3" in the command line, `count` at most. @return How many. */
uint32_t option_numbers(const char* name, uint32_t* numbers, uint32_t count);
/** Returns whether two strings are the same. */
bool same_text(const char* a, const char* b);

#endif
