/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

#include "echo.h"
#include "platform.h"
#include "text.h"

enum { CLIENTS = 4 };

static struct client {
    struct ivshmem_peer_channel channel;
    bool answers; /* `message` has an answer that is not sent yet */
    uint32_t size, done, count;
    unsigned char message[LONGEST_MESSAGE];
} clients[CLIENTS];

static uint32_t key;

void serve_begin(struct ivshmem_peer* peer) {
    uint32_t i;
    for (i = 0; i < CLIENTS; ++i) {
        clients[i].channel = (struct ivshmem_peer_channel){0};
        clients[i].answers = false;
    }
    key = ivshmem_peer_offer(peer, "echo");
    say("offering echo in slot %u", peer->slot);
}

/* Takes one step. @return Whether another one may be possible now. */
static bool step(struct client* c) {
    enum ivshmem_peer_result result;
    if (!c->answers) {
        result = ivshmem_peer_receive(&c->channel, c->message, sizeof c->message, &c->size);
        c->answers = result == IVSHMEM_PEER_OK;
        c->done = 0;
    } else {
        result = ivshmem_peer_send_some(&c->channel, c->message, c->size, &c->done);
        c->answers = result == IVSHMEM_PEER_AGAIN;
        c->count += result == IVSHMEM_PEER_OK;
    }
    c->channel.holds_back = c->answers; /* no message is taken before the answer is sent */
    if (result == IVSHMEM_PEER_OK)
        return true;
    if (result == IVSHMEM_PEER_AGAIN)
        return false;
    say("slot %u: %u answers; %s; %u interrupts so far", c->channel.slot, c->count,
        ivshmem_peer_in_words(result), platform_rings());
    c->answers = c->channel.holds_back = false;
    ivshmem_peer_close(&c->channel);
    return false;
}

void serve(struct ivshmem_peer* peer) {
    uint32_t i;
    for (i = 0; i < CLIENTS; ++i) {
        struct client* c = &clients[i];
        if (c->channel.state == IVSHMEM_PEER_CHANNEL_CLOSED) {
            if (ivshmem_peer_accept(peer, &c->channel, key, sizeof c->message) != IVSHMEM_PEER_OK)
                continue;
            c->count = 0;
            say("slot %u is here", c->channel.slot);
        }
        while (step(c))
            continue;
    }
}
