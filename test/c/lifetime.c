/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */
#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Handles that are closed in every order, and those of a child process. */

enum { DEVICE, SLOT, SERVICE, CHANNEL, KINDS };

static void close_one(struct peers* p, struct ivshmem_service* service, int what) {
    switch (what) {
    case DEVICE:
        OK(ivshmem_device_close(p->device[0]));
        p->device[0] = NULL;
        break;
    case SLOT:
        OK(ivshmem_slot_close(p->slot[0]));
        p->slot[0] = NULL;
        break;
    case SERVICE:
        OK(ivshmem_service_close(service));
        break;
    default:
        OK(ivshmem_channel_close(p->channel[0]));
        p->channel[0] = NULL;
        break;
    }
}

/* Uses what is still open. `is_open`: whether the slot is. */
static void use_rest(struct peers* p, struct ivshmem_service* service, const int* closed) {
    struct ivshmem_channel* accepted = NULL;
    const int gone = closed[SLOT] ? IVSHMEM_CLOSED : 0;
    if (!closed[CHANNEL]) {
        GIVES(gone, ivshmem_channel_try_send(p->channel[0], "a", 1));
        GIVES(gone, ivshmem_channel_send(p->channel[0], "b", 1, PATIENCE));
        GIVES(gone, ivshmem_channel_update(p->channel[0], NULL));
    }
    if (!closed[SERVICE])
        GIVES(closed[SLOT] ? IVSHMEM_CLOSED : -EAGAIN,
              ivshmem_service_try_accept(service, &accepted));
    if (!closed[SLOT])
        OK(ivshmem_slot_update(p->slot[0]));
    if (!closed[DEVICE])
        OK(ivshmem_device_ring(p->device[0], 0, 0));
}

static void in_order(const int* order) {
    struct peers p;
    struct ivshmem_service* service = NULL;
    open_channels(&p, 4096);
    OK(ivshmem_service_open(p.slot[0], "service", NULL, &service));
    int closed[KINDS] = {0};
    for (int i = 0; i < KINDS; ++i) {
        close_one(&p, service, order[i]);
        closed[order[i]] = 1;
        use_rest(&p, service, closed);
    }
    char buffer[4];
    size_t size = 0;
    int result = 0;
    while ((result = ivshmem_channel_try_receive(p.channel[1], buffer, 4, &size)) == 0)
        CHECK(size == 1);
    GIVES(IVSHMEM_CHANNEL_CLOSED, result);
    close_peers(&p);
}

static void every_order(void) {
    int order[KINDS];
    for (int n = 0; n < 4 * 4 * 4 * 4; ++n) {
        int seen = 0;
        for (int i = 0, rest = n; i < KINDS; ++i, rest /= KINDS) {
            order[i] = rest % KINDS;
            seen |= 1 << order[i];
        }
        if (seen == (1 << KINDS) - 1)
            in_order(order);
    }
}

/* Exits like a test: 0 if all is well. */
static void use_in_child(struct peers* p, struct ivshmem_service* service) {
    struct ivshmem_channel* channel = NULL;
    char byte = 0;
    size_t size = 0;
    GIVES(IVSHMEM_FORKED, ivshmem_service_try_accept(service, &channel));
    GIVES(IVSHMEM_FORKED, ivshmem_service_accept(service, -1, &channel));
    GIVES(IVSHMEM_FORKED, ivshmem_service_connect(p->slot[0], "a", -1, NULL, -1, &channel));
    GIVES(IVSHMEM_FORKED, ivshmem_channel_receive(p->channel[0], &byte, 1, &size, -1));
    GIVES(IVSHMEM_FORKED, ivshmem_channel_drain(p->channel[0], -1));
    GIVES(IVSHMEM_FORKED, ivshmem_channel_wait_connected(p->channel[0], -1));
    GIVES(IVSHMEM_FORKED, ivshmem_device_wait(p->device[0], 0, -1, NULL));
    GIVES(IVSHMEM_FORKED, ivshmem_device_ring(p->device[0], 0, 0));
    GIVES(IVSHMEM_FORKED, ivshmem_device_take(p->device[0], 0, NULL));
    GIVES(IVSHMEM_FORKED, ivshmem_channel_try_send(p->channel[0], "a", 1));
    GIVES(IVSHMEM_FORKED, ivshmem_channel_send(p->channel[0], "a", 1, PATIENCE));
    GIVES(IVSHMEM_FORKED, ivshmem_slot_update(p->slot[0]));
    size_t count = 0;
    GIVES(IVSHMEM_FORKED, ivshmem_device_get_users(p->device[0], NULL, 0, &count));
    struct ivshmem_device_facts facts = {.size = sizeof facts};
    OK(ivshmem_device_get_facts(p->device[0], &facts));
    struct ivshmem_device* own = NULL;
    struct ivshmem_open_options options = {.size = sizeof options};
    options.vectors = 2;
    OK(ivshmem_device_open(server(), &options, &own)); /* the table works here, too */
    OK(ivshmem_device_close(own));
    close_peers(p);
    _exit(0);
}

static void forked(void) {
    struct peers p;
    struct ivshmem_service* service = NULL;
    open_channels(&p, 4096);
    OK(ivshmem_service_open(p.slot[0], "a", NULL, &service));
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        use_in_child(&p, service);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    char buffer[4];
    size_t size = 0;
    OK(ivshmem_channel_send(p.channel[0], "all", 3, PATIENCE)); /* the parent goes on */
    OK(ivshmem_channel_receive(p.channel[1], buffer, sizeof buffer, &size, PATIENCE));
    CHECK(size == 3);
    OK(ivshmem_service_close(service));
    close_peers(&p);
}

void test_lifetime(void) {
    every_order();
    forked();
}
