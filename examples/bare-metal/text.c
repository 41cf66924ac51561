/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

#include "text.h"

#include "platform.h"

#include <stdarg.h>
#include <stddef.h>

static void put_number(uint32_t number) {
    char digits[10];
    uint32_t count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    while (count != 0)
        platform_put(digits[--count]);
}

static void put_text(const char* text) {
    while (*text != 0)
        platform_put(*text++);
}

void say(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    for (; *format != 0; ++format) {
        if (*format != '%') {
            platform_put(*format);
        } else if (*++format == 's') {
            put_text(va_arg(arguments, const char*));
        } else {
            put_number(va_arg(arguments, uint32_t));
        }
    }
    va_end(arguments);
    put_text("\r\n");
}

/* Returns the value of a word of the command line; a null pointer: it has no such word. */
static const char* option(const char* name) {
    const char* at = platform_command_line();
    while (*at != 0) {
        const char* wanted = name;
        while (*wanted != 0 && *at == *wanted)
            ++at, ++wanted;
        if (*wanted == 0 && *at == '=')
            return at + 1;
        while (*at != 0 && *at != ' ')
            ++at;
        while (*at == ' ')
            ++at;
    }
    return NULL;
}

bool option_text(const char* name, char* into, uint32_t capacity) {
    const char* from = option(name);
    if (from == NULL)
        return false;
    for (; *from != 0 && *from != ' '; *into++ = *from++)
        if (--capacity == 0)
            return false;
    *into = 0;
    return true;
}

uint32_t option_numbers(const char* name, uint32_t* numbers, uint32_t count) {
    const char* at = option(name);
    uint32_t found = 0;
    while (at != NULL && found < count && *at >= '0' && *at <= '9') {
        numbers[found] = 0;
        while (*at >= '0' && *at <= '9')
            numbers[found] = numbers[found] * 10 + (uint32_t)(*at++ - '0');
        ++found;
        if (*at == ',')
            ++at;
    }
    return found;
}

bool same_text(const char* a, const char* b) {
    while (*a != 0 && *a == *b)
        ++a, ++b;
    return *a == *b;
}
