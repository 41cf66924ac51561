/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A slot that a peer of ivshmem_peer holds at a server, and channels that wait: as
   examples/c/on_slot.h. */
#ifndef TEST_EXAMPLES_PEER_ON_SLOT_H
#define TEST_EXAMPLES_PEER_ON_SLOT_H

#include "server_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char* program;
static struct ivshmem_peer peer;

static inline _Noreturn void fail(const char* why) {
    fprintf(stderr, "%s: %s\n", program, why);
    exit(1);
}

static inline void must(enum ivshmem_peer_result result) {
    if (result != IVSHMEM_PEER_OK)
        fail(ivshmem_peer_in_words(result));
}

static inline void leave(void) {
    ivshmem_peer_leave(&peer);
}

/* Waits for a ring, at most so long. Returns whether to go on. */
static inline bool wait_for_peers(uint32_t at_most) {
    server_place_wait(&peer, at_most);
    if (server_place_stopped())
        return false;
    if (peer.phase == IVSHMEM_PEER_ENDED)
        must(peer.why);
    return true;
}

/* As wait_for_peers(), for a program that cannot go on after a signal. */
static inline void wait_or_end(void) {
    if (!wait_for_peers(IVSHMEM_PEER_NO_LIMIT))
        fail("interrupted");
}

/* Joins the server, and claims a slot until the program ends. */
static inline void enter(const char* device, const char* slot) {
    static const char scheme[] = "server:";
    struct ivshmem_peer_config config = {.heartbeat = 1000};
    char* end = NULL;
    if (strncmp(device, scheme, sizeof scheme - 1) != 0) {
        fprintf(stderr, "%s: %s: not server:PATH\n", program, device);
        exit(1);
    }
    config.slot = (uint32_t)strtoul(slot, &end, 10);
    if (*slot < '0' || *slot > '9' || *end != 0)
        fail("SLOT must be a number");
    server_place_join(device + sizeof scheme - 1, &config);
    must(ivshmem_peer_begin(&peer, &config));
    atexit(leave);
    while (peer.phase == IVSHMEM_PEER_CLAIMING)
        wait_or_end();
    must(peer.phase == IVSHMEM_PEER_HELD ? IVSHMEM_PEER_OK : peer.why);
}

/* Connects to a service; ends the program after a signal. */
static inline void connect_to(struct ivshmem_peer_channel* channel, const char* service,
                              uint32_t limit) {
    while (channel->state != IVSHMEM_PEER_CHANNEL_CONNECTED) {
        if (channel->state > IVSHMEM_PEER_CHANNEL_CONNECTED)
            ivshmem_peer_close(channel);
        if (channel->state == IVSHMEM_PEER_CHANNEL_CLOSED)
            ivshmem_peer_request(&peer, channel, service, limit);
        if (!wait_for_peers(100)) /* ms: an offer rings nobody */
            exit(0);
    }
}

static inline void send_whole(struct ivshmem_peer_channel* channel, const void* message,
                              uint32_t size) {
    uint32_t done = 0;
    enum ivshmem_peer_result result;
    while ((result = ivshmem_peer_send_some(channel, message, size, &done)) == IVSHMEM_PEER_AGAIN)
        wait_or_end();
    must(result);
}

static inline uint32_t receive_whole(struct ivshmem_peer_channel* channel, void* into,
                                     uint32_t capacity) {
    uint32_t size = 0;
    enum ivshmem_peer_result result;
    while ((result = ivshmem_peer_receive(channel, into, capacity, &size)) == IVSHMEM_PEER_AGAIN)
        wait_or_end();
    must(result);
    return size;
}

#endif
