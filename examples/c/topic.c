/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* Publish lines of text for any number of other VMs: as ../topic.cpp.

       topic DEVICE SLOT publish
       topic DEVICE SLOT subscribe

   On the host, with an ivshmem-server that listens at PATH, two processes or more:

       ./topic server:PATH 1 subscribe
       vmstat 1 | ./topic server:PATH 0 publish

   SLOT is this program's place in the shared memory (0 to 3). Each program needs its own. */

#include "lines.h"
#include "on_slot.h"

#include <string.h>

static struct ivshmem_topic_writer* writer;

static void publish_line(const char* line, size_t size) {
    must(ivshmem_topic_writer_publish(writer, line, size));
}

static void publish(void) {
    must(ivshmem_topic_writer_open(slot, "lines", NULL, &writer));
    for_each_line(publish_line);
    must(ivshmem_topic_writer_close(writer));
}

static void subscribe(void) {
    static char line[LONGEST_LINE];
    /* Of a topic that is there already, the last line too. */
    const struct ivshmem_topic_reader_options options = {.size = sizeof options, .history = 1};
    struct ivshmem_topic_message message = {.size = sizeof message};
    struct ivshmem_topic_reader* reader = NULL;
    struct ivshmem_slot_facts facts = {.size = sizeof facts};
    must(ivshmem_slot_get_facts(slot, &facts));
    must(ivshmem_topic_reader_open(slot, "lines", &options, &reader));
    printf("listening in slot %u\n", facts.number);
    fflush(stdout);
    while (!stopped) {
        const int result =
            ivshmem_topic_reader_read(reader, line, sizeof line, &message, LONGEST_WAIT);
        if (result == IVSHMEM_TIMED_OUT)
            continue;
        if (result == IVSHMEM_TOPIC_CLOSED)
            break;
        must(result);
        if (message.skipped != 0)
            fprintf(stderr, "skipped %llu\n", (unsigned long long)message.skipped);
        fwrite(line, 1, message.length, stdout);
        putchar('\n');
        fflush(stdout);
    }
    must(ivshmem_topic_reader_close(reader));
}

int main(int argc, char** argv) {
    program = "topic";
    const char* const what = argc == 4 ? argv[3] : "";
    if (strcmp(what, "publish") != 0 && strcmp(what, "subscribe") != 0) {
        fputs("usage: topic DEVICE SLOT publish|subscribe\n", stderr);
        return 2;
    }
    enter(argv[1], argv[2]);
    strcmp(what, "publish") == 0 ? publish() : subscribe();
    return 0;
}
