/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* Runs the test that is named. */

#include "check.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char* name;
    void (*run)(void);
} tests[] = {
    {"bad_input", test_bad_input},     {"blocking", test_blocking}, {"device", test_device},
    {"handles", test_handles},         {"lifetime", test_lifetime}, {"messages", test_messages},
    {"monitor", test_monitor},         {"parts", test_parts},       {"services", test_services},
    {"sessions", test_sessions},       {"slot", test_slot},         {"streams", test_streams},
    {"topic_input", test_topic_input}, {"topics", test_topics},
};

int main(int argc, char** argv) {
    for (size_t i = 0; argc == 2 && i < sizeof tests / sizeof *tests; ++i)
        if (strcmp(argv[1], tests[i].name) == 0) {
            tests[i].run();
            return 0;
        }
    fprintf(stderr, "usage: %s TEST\n", argv[0]);
    return 2;
}
