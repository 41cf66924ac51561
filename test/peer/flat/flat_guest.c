/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A Cortex-M3 without an operating system, as a peer: polls, and echoes. */

#include "ivshmem_peer.h"
#include "mps2_an385.h"
#include "register_page.h"

#ifndef SERVICE
#define SERVICE "echo"
#endif

static volatile uint32_t* reg(uint32_t offset) {
    return (volatile uint32_t*)(uintptr_t)(PSRAM + REGISTER_PAGE + offset);
}

/* The hooks. */

static uint32_t now(void* context) {
    (void)context;
    return board_now();
}

static void ring(void* context, uint16_t peer, uint16_t vector) {
    const uint32_t began = board_now(), rung = *reg(RUNG) + 1;
    (void)context;
    *reg(DOORBELL) = (uint32_t)peer << 16 | vector;
    __asm__ volatile("dmb" ::: "memory");
    *reg(RUNG) = rung;
    /* The register takes one ring at a time. One that the host does not take is lost. */
    while (*reg(TAKEN) != rung && board_now() - began < 100) {
    }
}

static uint32_t random_word(void* context) {
    static uint32_t state;
    (void)context;
    state = state * 1664525U + 1013904223U + *reg(RANDOM);
    return state ^ state >> 15;
}

/* The echo. */

enum { SERVED = 4, LONGEST = 65536 }; /* channels, and the bytes of a message */

static struct server {
    struct ivshmem_peer_channel channel;
    bool answers;
    uint32_t size, done;
    unsigned char message[LONGEST];
} servers[SERVED];

static void serve(struct ivshmem_peer* peer, struct server* s, uint32_t key) {
    enum ivshmem_peer_result result;
    if (ivshmem_peer_accept(peer, &s->channel, key, LONGEST) == IVSHMEM_PEER_OK)
        s->answers = false;
    do {
        if (!s->answers) {
            result = ivshmem_peer_receive(&s->channel, s->message, LONGEST, &s->size);
            s->answers = result == IVSHMEM_PEER_OK;
            s->done = 0;
        } else {
            result = ivshmem_peer_send_some(&s->channel, s->message, s->size, &s->done);
            s->answers = result == IVSHMEM_PEER_AGAIN;
        }
    } while (result == IVSHMEM_PEER_OK);
    if (result != IVSHMEM_PEER_AGAIN)
        ivshmem_peer_close(&s->channel);
}

int main(void) {
    static struct ivshmem_peer peer;
    static struct ivshmem_peer_config config;
    uint32_t key = 0;
    int i;
    while (*reg(PRESENT) == 0) {
    }
    config.hooks.now = now;
    config.hooks.ring = ring;
    config.hooks.random = random_word;
    config.memory = (void*)(uintptr_t)PSRAM;
    config.memory_size = MEMORY;
    config.region_offset = CHANNELS;
    config.region_size = MEMORY - CHANNELS;
    config.id = (uint16_t)*reg(IV_POSITION);
    config.slot = config.id; /* it gets its slot back when it starts again */
    config.polls = true;
    board_print("id ");
    board_print_number(config.id);
    board_print("\n");
    ivshmem_peer_begin(&peer, &config);
    while (peer.phase == IVSHMEM_PEER_CLAIMING)
        ivshmem_peer_poll(&peer);
    if (peer.phase == IVSHMEM_PEER_HELD) {
        board_print("slot ");
        board_print_number(peer.slot);
        board_print("\n");
        key = ivshmem_peer_offer(&peer, SERVICE);
    }
    while (peer.phase == IVSHMEM_PEER_HELD) {
        ivshmem_peer_poll(&peer);
        for (i = 0; i < SERVED; ++i)
            serve(&peer, &servers[i], key);
    }
    board_print("ended: ");
    board_print_number((uint32_t)peer.why);
    board_print("\n");
    return 0;
}
