/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* As topic_idle.cpp. */

#include <ivshmem/ivshmem.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ivshmem_slot* slot;
static char line[256];

static void must(int result) {
    if (result != 0) {
        fprintf(stderr, "topic_idle: %s\n", ivshmem_last_error());
        exit(1);
    }
}

static void publish(void) {
    struct ivshmem_topic_writer* writer = NULL;
    must(ivshmem_topic_writer_open(slot, "idle", NULL, &writer));
    struct pollfd waits[2] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};
    must(ivshmem_slot_get_fd(slot, &waits[1].fd));
    while (poll(waits, 2, -1) > 0) {
        must(ivshmem_slot_update(slot));
        if (waits[0].revents == 0)
            continue;
        if (fgets(line, sizeof line, stdin) == NULL)
            break;
        must(ivshmem_topic_writer_publish(writer, line, strlen(line)));
    }
}

static void subscribe(void) {
    struct ivshmem_topic_message message = {.size = sizeof message};
    struct ivshmem_topic_reader* reader = NULL;
    must(ivshmem_topic_reader_open(slot, "idle", NULL, &reader));
    for (puts("reading");; fwrite(line, 1, message.length, stdout)) {
        fflush(stdout);
        must(ivshmem_topic_reader_read(reader, line, sizeof line, &message, -1));
    }
}

int main(int argc, char** argv) {
    if (argc != 3)
        return 2;
    const int writes = strcmp(argv[2], "write") == 0;
    const struct ivshmem_open_options opening = {.size = sizeof opening, .vectors = 1};
    struct ivshmem_device* device = NULL;
    must(ivshmem_device_open(argv[1], &opening, &device));
    must(ivshmem_slot_claim(device, writes ? 0 : 1, NULL, &slot));
    writes ? publish() : subscribe();
    return 0;
}
