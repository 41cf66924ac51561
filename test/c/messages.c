/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* Messages in one piece, by the functions that never block. */

static void one_message(struct peers* p) {
    char buffer[64] = {0};
    size_t size = 99;
    GIVES(-EAGAIN, ivshmem_channel_try_receive(p->channel[1], buffer, sizeof buffer, &size));
    CHECK(size == 99);
    GIVES(-EAGAIN, ivshmem_channel_next_size(p->channel[1], &size));
    OK(ivshmem_channel_try_send(p->channel[0], "hello", 6));
    GIVES(-EAGAIN, ivshmem_channel_try_drain(p->channel[0]));
    OK(ivshmem_channel_next_size(p->channel[1], &size));
    CHECK(size == 6);
    size = 0;
    SAYS(IVSHMEM_BUFFER_TOO_SMALL, "channel to slot 0, lane 0: ",
         ivshmem_channel_try_receive(p->channel[1], buffer, 5, &size));
    CHECK(size == 6);
    OK(ivshmem_channel_try_receive(p->channel[1], buffer, sizeof buffer, &size));
    CHECK(size == 6 && strcmp(buffer, "hello") == 0);
    OK(ivshmem_channel_settle(p->channel[1]));
    OK(ivshmem_channel_try_drain(p->channel[0]));

    OK(ivshmem_channel_try_send(p->channel[0], NULL, 0)); /* empty */
    OK(ivshmem_channel_try_receive(p->channel[1], NULL, 0, &size));
    CHECK(size == 0);
}

static void full_ring(struct peers* p) {
    char message[100];
    memset(message, 'x', sizeof message);
    int sent = 0;
    int result = 0;
    while ((result = ivshmem_channel_try_send(p->channel[0], message, sizeof message)) == 0)
        ++sent;
    GIVES(-EAGAIN, result);
    CHECK(sent > 30 && sent < 41);
    size_t size = 0;
    for (int i = 0; i < sent; ++i)
        OK(ivshmem_channel_try_receive(p->channel[1], message, sizeof message, &size));
    GIVES(-EAGAIN, ivshmem_channel_try_receive(p->channel[1], message, sizeof message, &size));
    OK(ivshmem_channel_try_send(p->channel[0], message, sizeof message));
    OK(ivshmem_channel_try_receive(p->channel[1], message, sizeof message, &size));

    struct ivshmem_channel_facts facts = {.size = sizeof facts};
    OK(ivshmem_channel_get_facts(p->channel[0], &facts));
    char large[4096] = {0};
    CHECK(facts.max_whole_message == 4096 / 2 - 8);
    OK(ivshmem_channel_try_send(p->channel[0], large, facts.max_whole_message));
    OK(ivshmem_channel_try_receive(p->channel[1], large, sizeof large, &size));
    SAYS(IVSHMEM_MESSAGE_TOO_LARGE, "lane 0",
         ivshmem_channel_try_send(p->channel[0], large, facts.max_whole_message + 1));
}

static void in_the_ring(struct peers* p) {
    void* room = NULL;
    OK(ivshmem_channel_reserve(p->channel[0], 16, &room));
    memcpy(room, "in place", 9);
    GIVES(-EINVAL, ivshmem_channel_commit(p->channel[0], 17));
    OK(ivshmem_channel_commit(p->channel[0], 9));
    GIVES(-EINVAL, ivshmem_channel_commit(p->channel[0], 9));
    const void* view = NULL;
    size_t size = 0;
    OK(ivshmem_channel_peek(p->channel[1], &view, &size));
    CHECK(size == 9 && strcmp((const char*)view, "in place") == 0);
    OK(ivshmem_channel_consume(p->channel[1]));
    GIVES(-EINVAL, ivshmem_channel_consume(p->channel[1]));
    GIVES(-EAGAIN, ivshmem_channel_peek(p->channel[1], &view, &size));

    /* A reservation, and a view, end with another message. */
    char buffer[16];
    OK(ivshmem_channel_reserve(p->channel[0], 16, &room));
    OK(ivshmem_channel_try_send(p->channel[0], "a", 1));
    GIVES(-EINVAL, ivshmem_channel_commit(p->channel[0], 1));
    OK(ivshmem_channel_try_send(p->channel[0], "b", 1));
    OK(ivshmem_channel_peek(p->channel[1], &view, &size));
    OK(ivshmem_channel_try_receive(p->channel[1], buffer, sizeof buffer, &size));
    CHECK(size == 1 && buffer[0] == 'a');
    GIVES(-EINVAL, ivshmem_channel_consume(p->channel[1]));
    OK(ivshmem_channel_try_receive(p->channel[1], buffer, sizeof buffer, &size));
    CHECK(size == 1 && buffer[0] == 'b');
    GIVES(-EAGAIN, ivshmem_channel_try_receive(p->channel[1], buffer, sizeof buffer, &size));
}

static void sleeping(struct peers* p) {
    int may_sleep = -1;
    int fd = -1;
    char buffer[16];
    size_t size = 0;
    OK(ivshmem_slot_get_fd(p->slot[1], &fd));
    OK(ivshmem_slot_update(p->slot[1]));
    GIVES(-EINVAL, ivshmem_channel_arm(p->channel[1], 8, &may_sleep));
    OK(ivshmem_channel_arm(p->channel[1], IVSHMEM_WAKE_DATA, &may_sleep));
    CHECK(may_sleep == 1);
    OK(ivshmem_channel_try_send(p->channel[0], "wake", 4));
    struct pollfd rung = {fd, POLLIN, 0};
    CHECK(poll(&rung, 1, PATIENCE) == 1);
    OK(ivshmem_channel_disarm(p->channel[1]));
    OK(ivshmem_slot_update(p->slot[1]));
    OK(ivshmem_channel_update(p->channel[1], NULL));
    OK(ivshmem_channel_ring_again(p->channel[1]));
    OK(ivshmem_channel_arm(p->channel[1], IVSHMEM_WAKE_DATA, &may_sleep));
    CHECK(may_sleep == 0); /* there is a message */
    OK(ivshmem_channel_disarm(p->channel[1]));
    OK(ivshmem_channel_try_receive(p->channel[1], buffer, sizeof buffer, &size));
    struct ivshmem_channel_facts facts = {.size = sizeof facts};
    OK(ivshmem_channel_get_facts(p->channel[0], &facts));
    CHECK(facts.rings > 0);
}

void test_messages(void) {
    struct peers p;
    open_channels(&p, 4096);
    one_message(&p);
    full_ring(&p);
    in_the_ring(&p);
    sleeping(&p);
    close_peers(&p);
}
