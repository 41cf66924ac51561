/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <stdlib.h>
#include <string.h>

/* The functions that wait, in a thread for each side. */

enum { LONG = 300000, TIMES = 200 };

static void serve(void* argument) {
    struct ivshmem_slot* const slot = (struct ivshmem_slot*)argument;
    struct ivshmem_service* service = NULL;
    struct ivshmem_channel* channel = NULL;
    char* const buffer = (char*)malloc(LONG);
    CHECK(buffer != NULL);
    OK(ivshmem_service_open(slot, "echo", NULL, &service));
    OK(ivshmem_service_accept(service, PATIENCE, &channel));
    for (;;) {
        size_t size = 0;
        const int result = ivshmem_channel_receive(channel, buffer, LONG, &size, PATIENCE);
        if (result == IVSHMEM_CHANNEL_CLOSED)
            break;
        OK(result);
        OK(ivshmem_channel_send(channel, buffer, size, PATIENCE));
    }
    OK(ivshmem_channel_close(channel));
    OK(ivshmem_service_close(service));
    free(buffer);
}

static void ask(struct peers* p) {
    void* const server = start_thread(serve, p->slot[0]);
    struct ivshmem_channel* channel = NULL;
    OK(ivshmem_service_connect(p->slot[1], "echo", -1, NULL, PATIENCE, &channel));
    char* const sent = (char*)malloc(LONG);
    char* const received = (char*)malloc(LONG);
    CHECK(sent != NULL && received != NULL);
    size_t size = 0;
    for (int i = 0; i < TIMES; ++i) {
        const size_t length = i % 50 == 49 ? (size_t)LONG : (size_t)i;
        memset(sent, i, length);
        OK(ivshmem_channel_send(channel, sent, length, PATIENCE));
        OK(ivshmem_channel_receive(channel, received, LONG, &size, PATIENCE));
        CHECK(size == length && memcmp(sent, received, length) == 0);
    }
    OK(ivshmem_channel_drain(channel, PATIENCE));
    OK(ivshmem_channel_finish(channel));
    join_thread(server);
    OK(ivshmem_channel_close(channel));
    free(sent);
    free(received);
}

static void in_time(struct peers* p) {
    OK(ivshmem_channel_open(p->slot[0], 1, 0, NULL, &p->channel[0]));
    char buffer[100];
    size_t size = 7;
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_channel_wait_connected(p->channel[0], 0));
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_channel_send(p->channel[0], "a", 1, 1));
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_channel_receive(p->channel[0], buffer, 9, &size, 1));
    OK(ivshmem_channel_open(p->slot[1], 0, 0, NULL, &p->channel[1]));
    OK(ivshmem_channel_update(p->channel[1], NULL));
    OK(ivshmem_channel_wait_connected(p->channel[0], PATIENCE));
    OK(ivshmem_channel_wait_connected(p->channel[1], PATIENCE));

    /* A message that does not fit in time is not sent; one of which parts came is kept. */
    static char large[20000];
    static char into[20000];
    memset(large, 'l', sizeof large);
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_channel_send(p->channel[0], large, sizeof large, 1));
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_channel_receive(p->channel[1], into, sizeof into, &size, 1));
    OK(ivshmem_channel_send(p->channel[0], "small", 5, PATIENCE));
    GIVES(IVSHMEM_BUFFER_TOO_SMALL, ivshmem_channel_receive(p->channel[1], into, 4, &size, 0));
    CHECK(size == 5);
    OK(ivshmem_channel_receive(p->channel[1], into, sizeof into, &size, PATIENCE));
    CHECK(size == 5 && memcmp(into, "small", 5) == 0);
    size_t done = 0;
    while (ivshmem_channel_send_some(p->channel[0], large, sizeof large, &done) != 0)
        GIVES(IVSHMEM_TIMED_OUT,
              ivshmem_channel_receive(p->channel[1], into, sizeof into, &size, 1));
    OK(ivshmem_channel_receive(p->channel[1], into, sizeof into, &size, PATIENCE));
    CHECK(size == sizeof large && memcmp(into, large, size) == 0);

    OK(ivshmem_channel_send(p->channel[0], "left", 4, PATIENCE));
    GIVES(IVSHMEM_TIMED_OUT, ivshmem_channel_drain(p->channel[0], 1));
    OK(ivshmem_channel_receive(p->channel[1], into, sizeof into, &size, PATIENCE));
    OK(ivshmem_channel_drain(p->channel[0], PATIENCE));
    OK(ivshmem_channel_close(p->channel[1]));
    p->channel[1] = NULL;
    GIVES(IVSHMEM_CHANNEL_CLOSED,
          ivshmem_channel_receive(p->channel[0], into, sizeof into, &size, PATIENCE));
}

void test_blocking(void) {
    struct peers p;
    open_slots(&p, 4096);
    ask(&p);
    in_time(&p);
    close_peers(&p);
}
