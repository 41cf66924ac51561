/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>
#include <string.h>

/* Messages of any length in parts, by the functions that never block. */

enum { LONG = 10000 };

static char message[LONG];
static char buffer[LONG];

static void fill(int seed) {
    for (int i = 0; i < LONG; ++i)
        message[i] = (char)(i * 7 + seed);
    memset(buffer, 0, sizeof buffer);
}

static void both_ways(struct peers* p) {
    size_t sent = 0;
    size_t received = 0;
    int sending = -EAGAIN;
    int receiving = -EAGAIN;
    fill(1);
    for (int i = 0; sending != 0 || receiving != 0; ++i) {
        CHECK(i < 100);
        if (sending != 0) {
            sending = ivshmem_channel_send_some(p->channel[0], message, LONG, &sent);
            CHECK(sending == 0 || sending == -EAGAIN);
        }
        receiving = ivshmem_channel_receive_some(p->channel[1], buffer, LONG, &received);
        CHECK(receiving == 0 || receiving == -EAGAIN);
        update_both(p);
    }
    CHECK(sent == LONG && received == LONG && memcmp(buffer, message, LONG) == 0);
}

static void mixed(struct peers* p) {
    size_t sent = 0;
    size_t other = 0;
    void* room = NULL;
    fill(2);
    GIVES(-EAGAIN, ivshmem_channel_send_some(p->channel[0], message, LONG, &sent));
    CHECK(sent > 0 && sent < LONG);
    SAYS(-EINVAL, "in parts", ivshmem_channel_try_send(p->channel[0], "a", 1));
    GIVES(-EINVAL, ivshmem_channel_send(p->channel[0], "a", 1, 0));
    GIVES(-EINVAL, ivshmem_channel_reserve(p->channel[0], 1, &room));
    GIVES(-EINVAL, ivshmem_stream_try_write(p->channel[0], "a", 1, &other));
    GIVES(-EINVAL, ivshmem_channel_send_some(p->channel[0], message, LONG, &other));
    GIVES(-EINVAL, ivshmem_channel_send_some(p->channel[0], message, LONG - 1, &sent));

    size_t received = 0;
    size_t size = 0;
    const void* view = NULL;
    GIVES(-EAGAIN, ivshmem_channel_receive_some(p->channel[1], buffer, LONG, &received));
    CHECK(received == sent);
    SAYS(-EINVAL, "in parts", ivshmem_channel_try_receive(p->channel[1], buffer, LONG, &size));
    GIVES(-EINVAL, ivshmem_channel_receive(p->channel[1], buffer, LONG, &size, 0));
    GIVES(-EINVAL, ivshmem_channel_next_size(p->channel[1], &size));
    GIVES(-EINVAL, ivshmem_channel_peek(p->channel[1], &view, &size));
    GIVES(-EINVAL, ivshmem_channel_gather(p->channel[1], &size));
    GIVES(-EINVAL, ivshmem_stream_try_read(p->channel[1], buffer, LONG, &size));
    other = 0;
    GIVES(-EINVAL, ivshmem_channel_receive_some(p->channel[1], buffer, LONG, &other));
    other = LONG + 1;
    GIVES(-EINVAL, ivshmem_channel_receive_some(p->channel[1], buffer, LONG, &other));

    /* Withdrawn: the other side never sees it. */
    OK(ivshmem_channel_abandon(p->channel[0]));
    OK(ivshmem_channel_try_send(p->channel[0], "next", 4));
    OK(ivshmem_channel_receive_some(p->channel[1], buffer, LONG, &received));
    CHECK(received == 4 && memcmp(buffer, "next", 4) == 0);
}

static void skipped(struct peers* p) {
    size_t sent = 0;
    size_t received = 0;
    fill(3);
    GIVES(-EAGAIN, ivshmem_channel_send_some(p->channel[0], message, LONG, &sent));
    GIVES(-EAGAIN, ivshmem_channel_receive_some(p->channel[1], buffer, LONG, &received));
    OK(ivshmem_channel_skip(p->channel[1]));
    size_t size = 0;
    int result = -EAGAIN;
    while (result == -EAGAIN) {
        update_both(p);
        result = ivshmem_channel_send_some(p->channel[0], message, LONG, &sent);
        GIVES(-EAGAIN, ivshmem_channel_try_receive(p->channel[1], buffer, LONG, &size));
    }
    OK(result);
    OK(ivshmem_channel_try_send(p->channel[0], "next", 4));
    OK(ivshmem_channel_try_receive(p->channel[1], buffer, LONG, &size));
    CHECK(size == 4);
}

static void gathered(struct peers* p) {
    size_t sent = 0;
    size_t size = 0;
    int result = -EAGAIN;
    fill(4);
    for (int i = 0; result != 0; ++i) {
        CHECK(i < 100);
        result = ivshmem_channel_send_some(p->channel[0], message, LONG, &sent);
        CHECK(result == 0 || result == -EAGAIN);
        if (result != 0)
            GIVES(-EAGAIN, ivshmem_channel_gather(p->channel[1], &size));
        update_both(p);
    }
    OK(ivshmem_channel_gather(p->channel[1], &size));
    CHECK(size == LONG);
    OK(ivshmem_channel_try_receive(p->channel[1], buffer, LONG, &size));
    CHECK(size == LONG && memcmp(buffer, message, LONG) == 0);
}

static void too_long(struct peers* p) {
    size_t done = 0;
    fill(5);
    GIVES(-EAGAIN, ivshmem_channel_send_some(p->channel[0], message, LONG, &done));
    size_t received = 0;
    GIVES(IVSHMEM_BUFFER_TOO_SMALL,
          ivshmem_channel_receive_some(p->channel[1], buffer, LONG - 1, &received));
    CHECK(received == 0);
    done = 5; /* of no message */
    GIVES(-EINVAL, ivshmem_channel_receive_some(p->channel[1], buffer, LONG, &done));
    OK(ivshmem_channel_abandon(p->channel[0]));
    GIVES(-EINVAL, ivshmem_channel_send_some(p->channel[0], message, LONG, &done));
    done = 0;
    GIVES(IVSHMEM_MESSAGE_TOO_LARGE,
          ivshmem_channel_send_some(p->channel[0], message, (size_t)1 << 30, &done));
    CHECK(done == 0);
}

void test_parts(void) {
    struct peers p;
    open_channels(&p, 4096);
    both_ways(&p);
    mixed(&p);
    skipped(&p);
    gathered(&p);
    too_long(&p);
    close_peers(&p);
}
