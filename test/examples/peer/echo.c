/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* As examples/c/echo.c, on ivshmem_peer at a server:

       echo server:PATH SLOT server
       echo server:PATH SLOT client */

#include "on_slot.h"

enum { CLIENTS = 8, LONGEST_MESSAGE = 64 * 1024 };

static struct client {
    struct ivshmem_peer_channel channel;
    bool answers; /* `message` has an answer that is not sent yet */
    uint32_t size, done;
    unsigned char message[LONGEST_MESSAGE];
} clients[CLIENTS];

/* Sends back as much as possible now. */
static void send_back(struct client* c) {
    enum ivshmem_peer_result result = IVSHMEM_PEER_OK;
    while (result == IVSHMEM_PEER_OK) {
        if (!c->answers) {
            result = ivshmem_peer_receive(&c->channel, c->message, sizeof c->message, &c->size);
            c->answers = result == IVSHMEM_PEER_OK;
            c->done = 0;
        } else {
            result = ivshmem_peer_send_some(&c->channel, c->message, c->size, &c->done);
            c->answers = result == IVSHMEM_PEER_AGAIN;
        }
        c->channel.holds_back = c->answers;
    }
    if (result != IVSHMEM_PEER_AGAIN) {
        c->answers = c->channel.holds_back = false;
        ivshmem_peer_close(&c->channel);
    }
}

static void serve(void) {
    const uint32_t key = ivshmem_peer_offer(&peer, "echo");
    printf("offering echo in slot %u\n", (unsigned)peer.slot);
    fflush(stdout);
    while (wait_for_peers(IVSHMEM_PEER_NO_LIMIT))
        for (struct client* c = clients; c != clients + CLIENTS; ++c) {
            if (ivshmem_peer_accept(&peer, &c->channel, key, sizeof c->message) ==
                IVSHMEM_PEER_OK) {
                printf("slot %u is here\n", (unsigned)c->channel.slot);
                fflush(stdout);
            }
            if (c->channel.state != IVSHMEM_PEER_CHANNEL_CLOSED)
                send_back(c);
        }
}

static void ask(void) {
    static struct ivshmem_peer_channel server;
    static char line[LONGEST_MESSAGE], answer[LONGEST_MESSAGE];
    connect_to(&server, "echo", sizeof answer);
    /* Blocks for as long as the user thinks; the tests' lines are in a file. */
    while (fgets(line, sizeof line, stdin) != NULL) {
        const size_t length = strcspn(line, "\n");
        if (length == sizeof line - 1)
            fail("a line is too long");
        send_whole(&server, line, (uint32_t)length);
        fwrite(answer, 1, receive_whole(&server, answer, sizeof answer), stdout);
        putchar('\n');
        fflush(stdout);
    }
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
