/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A place in the memory of a device, and channels in one loop around poll(2). */
#ifndef EXAMPLES_C_ON_SLOT_H
#define EXAMPLES_C_ON_SLOT_H

#include "common.h"

#include <poll.h>

enum {
    CHANNELS = 64,
    LONGEST_WAIT = 100 /* ms: a peer that claims this slot waits 250 ms for an answer */
};

static struct ivshmem_device* device;
static struct ivshmem_slot* slot;
static struct ivshmem_channel* channels[CHANNELS]; /* NULL: a free entry */

static void leave(void) {
    for (int i = 0; i < CHANNELS; ++i)
        ivshmem_channel_close(channels[i]);
    ivshmem_slot_close(slot);
    ivshmem_device_close(device);
}

/* Opens a device, and claims a slot of its memory until the program ends. */
static inline void enter(const char* device_name, const char* slot_number) {
    /* Beats once a second, so that peers in other VMs notice if this program is killed. */
    const struct ivshmem_slot_options options = {.size = sizeof options, .heartbeat_ms = 1000};
    stop_on_signals();
    must(ivshmem_device_open(device_name, NULL, &device));
    must(ivshmem_slot_claim(device, (int32_t)number_of(slot_number), &options, &slot));
    atexit(leave);
}

/* Waits until a peer rings, for at most so long; not at all if a channel has a message. */
static inline void wait_for_peers(int at_most_ms) {
    int may_sleep = 1;
    for (int i = 0; i < CHANNELS; ++i)
        if (channels[i] != NULL) {
            int idle = 0;
            must(ivshmem_channel_arm(channels[i], IVSHMEM_WAKE_DATA, &idle));
            may_sleep = may_sleep && idle;
        }
    struct pollfd rung = {.fd = -1, .events = POLLIN}; /* -1: poll(2) only waits */
    if (ivshmem_slot_get_fd(slot, &rung.fd) != 0 && at_most_ms > 1)
        at_most_ms = 1; /* no interrupts: look often */
    poll(&rung, 1, may_sleep ? at_most_ms : 0);
    must(ivshmem_slot_update(slot));
    for (int i = 0; i < CHANNELS; ++i)
        if (channels[i] != NULL) {
            must(ivshmem_channel_disarm(channels[i]));
            must(ivshmem_channel_update(channels[i], NULL));
            must(ivshmem_channel_ring_again(channels[i])); /* the last ring may have been lost */
        }
}

/* Accepts one client, if there is a free entry. Returns the entry; CHANNELS: there is no client. */
static inline int accept_client(struct ivshmem_service* service) {
    int i = 0;
    while (i < CHANNELS && channels[i] != NULL)
        ++i;
    if (i == CHANNELS)
        return i;
    const int result = ivshmem_service_try_accept(service, &channels[i]);
    if (result == -EAGAIN)
        return CHANNELS;
    must(result);
    return i;
}

/* Connects to a service; ends the program after a signal. */
static inline struct ivshmem_channel* connect_to(const char* name) {
    int result = IVSHMEM_TIMED_OUT;
    while (result == IVSHMEM_TIMED_OUT && !stopped)
        result = ivshmem_service_connect(slot, name, -1, NULL, LONGEST_WAIT, &channels[0]);
    if (stopped)
        exit(0);
    must(result);
    return channels[0];
}

#endif
