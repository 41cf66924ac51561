/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* Send lines of text to another VM, which sends each line back: as ../echo.cpp.

       echo DEVICE SLOT server
       echo DEVICE SLOT client

   On the host, with an ivshmem-server that listens at PATH, two processes:

       ./echo server:PATH 0 server
       ./echo server:PATH 1 client

   SLOT is this program's place in the shared memory (0 to 3). Each program needs its own. */

#include "lines.h"
#include "on_slot.h"

#include <string.h>

enum { LONGEST_MESSAGE = 64 * 1024 };

static char message[LONGEST_MESSAGE];

/* Sends back what a client has sent. Returns whether the client is still there. */
static int send_back(struct ivshmem_channel* client) {
    for (;;) {
        size_t size = 0;
        const int result = ivshmem_channel_try_receive(client, message, sizeof message, &size);
        if (result == -EAGAIN)
            return 1;
        if (result != 0 || ivshmem_channel_send(client, message, size, 1000) != 0)
            return 0;
    }
}

static void serve(void) {
    const struct ivshmem_channel_options options = {.size = sizeof options,
                                                    .max_message = LONGEST_MESSAGE};
    struct ivshmem_service* service = NULL;
    must(ivshmem_service_open(slot, "echo", &options, &service));
    struct ivshmem_slot_facts facts = {.size = sizeof facts};
    must(ivshmem_slot_get_facts(slot, &facts));
    printf("offering echo in slot %u\n", facts.number);
    fflush(stdout);
    while (!stopped) {
        const int i = accept_client(service);
        if (i < CHANNELS) {
            struct ivshmem_channel_facts client = {.size = sizeof client};
            must(ivshmem_channel_get_facts(channels[i], &client));
            printf("slot %u is here\n", client.peer_slot);
            fflush(stdout);
        }
        for (int c = 0; c < CHANNELS; ++c)
            if (channels[c] != NULL && !send_back(channels[c])) {
                must(ivshmem_channel_close(channels[c]));
                channels[c] = NULL;
            }
        wait_for_peers(LONGEST_WAIT);
    }
}

static void ask_line(const char* line, size_t size) {
    static char answer[LONGEST_MESSAGE];
    must(ivshmem_channel_send(channels[0], line, size, -1));
    must(ivshmem_channel_receive(channels[0], answer, sizeof answer, &size, -1));
    fwrite(answer, 1, size, stdout);
    putchar('\n');
    fflush(stdout);
}

static void ask(void) {
    connect_to("echo");
    for_each_line(ask_line);
}

int main(int argc, char** argv) {
    program = "echo";
    const char* const what = argc == 4 ? argv[3] : "";
    if (strcmp(what, "server") != 0 && strcmp(what, "client") != 0) {
        fputs("usage: echo DEVICE SLOT server|client\n", stderr);
        return 2;
    }
    enter(argv[1], argv[2]);
    strcmp(what, "server") == 0 ? serve() : ask();
    return 0;
}
