/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* A peer of ivshmem_peer at an ivshmem server's socket: offers the service "echo", which answers
   each message with the same. With topics, it also reads the topic of that name, and publishes each
   message again on the topic NAME + " back". It prints its slot when it has claimed it, and one
   line at its end. */

#include "server_place.h"

#if IVSHMEM_PEER_TOPICS
#include "ivshmem_peer_topics.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 16 };

static struct server {
    struct ivshmem_peer_channel channel;
    bool by_number; /* opens again, instead of waiting for the next request */
    bool answers;
    uint32_t size, done;
    unsigned char* message;
} servers[CHANNELS];

static void serve(struct server* s, uint32_t limit) {
    for (;;) {
        enum ivshmem_peer_result result;
        if (!s->answers) {
            result = ivshmem_peer_receive(&s->channel, s->message, limit, &s->size);
            s->answers = result == IVSHMEM_PEER_OK;
            s->done = 0;
        } else {
            result = ivshmem_peer_send_some(&s->channel, s->message, s->size, &s->done);
            s->answers = result == IVSHMEM_PEER_AGAIN;
        }
        s->channel.holds_back = s->answers;
        if (result == IVSHMEM_PEER_AGAIN)
            return;
        if (result == IVSHMEM_PEER_OK || result == IVSHMEM_PEER_TOO_LARGE)
            continue;
        s->answers = s->channel.holds_back = false;
        if (!s->by_number) {
            ivshmem_peer_close(&s->channel);
        } else if (result != IVSHMEM_PEER_CLOSED) {
            if (ivshmem_peer_reopen(&s->channel) != IVSHMEM_PEER_OK)
                return;
            continue;
        } else {
            const uint32_t slot = s->channel.slot, lane = s->channel.lane;
            struct ivshmem_peer* peer = s->channel.peer;
            ivshmem_peer_close(&s->channel);
            ivshmem_peer_open(peer, &s->channel, slot, lane, limit);
        }
        return;
    }
}

#if IVSHMEM_PEER_TOPICS
enum { TOPIC_MESSAGES = 64, TOPIC_BYTES = 65536, MOST_SLOTS = 256 };

static void echo_topic(struct ivshmem_peer* peer, const char* name) {
    static struct ivshmem_peer_topic_reader reader;
    static struct ivshmem_peer_topic_writer writer;
    static uint32_t known[2 * MOST_SLOTS], kept[TOPIC_MESSAGES + MOST_SLOTS];
    static unsigned char copy[TOPIC_BYTES];
    static char back[64];
    struct ivshmem_peer_topic_message message;
    unsigned most;
    if (back[0] == 0) {
        if (strlen(name) > 54)
            return;
        strcat(strcpy(back, name), " back");
        if (ivshmem_peer_topic_create(peer, &writer, back, 0, kept,
                                      TOPIC_MESSAGES + peer->division.slots) != IVSHMEM_PEER_OK ||
            ivshmem_peer_topic_open(peer, &reader, name, 0, known, 2 * MOST_SLOTS) !=
                IVSHMEM_PEER_OK)
            return;
    }
    for (most = 0; most < 1000; ++most) {
        const enum ivshmem_peer_result got =
            ivshmem_peer_topic_read(&reader, copy, sizeof copy, &message);
        if (got != IVSHMEM_PEER_OK) {
            if (got != IVSHMEM_PEER_AGAIN)
                ivshmem_peer_topic_reopen(&reader);
            return;
        }
        ivshmem_peer_topic_send(&writer, copy, message.length, message.number);
    }
}
#endif

static const char usage[] =
    "server_peer SOCKET [OPTIONS]: joins an ivshmem server, and offers the service \"echo\"\n"
    "  --slot N                    the slot (the id at the server); any: a free one\n"
    "  --geometry SLOTS,LANES,RING insists on it (that of the others)\n"
    "  --region OFFSET,SIZE        (the whole memory)\n"
    "  --heartbeat MS              (none)\n"
    "  --claim-time MS             (250)\n"
    "  --vector N                  is rung on it (0)\n"
    "  --polls                     is not rung\n"
    "  --little-endian-kernel      of an emulator that does not convert eventfds\n"
    "  --limit BYTES               the longest message (65536)\n"
    "  --name NAME                 of the service (echo)\n"
    "  --open SLOT,LANE            also echoes on this lane, opened by its number; repeatedly\n";

int main(int count, char** arguments) {
    static struct ivshmem_peer peer;
    struct ivshmem_peer_config config;
    const char *name = "echo", *slot = NULL;
    uint32_t key = 0, limit = 65536, opened = 0;
    unsigned long slots[CHANNELS], lanes[CHANNELS];
    int i;
    memset(&config, 0, sizeof config);
    for (i = 2; i < count; ++i) {
        const char *option = arguments[i], *value = i + 1 < count ? arguments[i + 1] : "";
        unsigned long a = 0, b = 0, c = 0;
        const int numbers = sscanf(value, "%li,%li,%li", (long*)&a, (long*)&b, (long*)&c);
        if (strcmp(option, "--polls") == 0) {
            config.polls = true;
            continue;
        }
        if (strcmp(option, "--little-endian-kernel") == 0) {
            server_place_ring_little_endian();
            continue;
        }
        ++i;
        if (strcmp(option, "--slot") == 0 && (numbers == 1 || strcmp(value, "any") == 0))
            slot = value, config.slot = numbers == 1 ? (uint32_t)a : IVSHMEM_PEER_ANY_SLOT;
        else if (strcmp(option, "--geometry") == 0 && numbers == 3)
            config.slots = (uint32_t)a, config.lanes = (uint32_t)b, config.ring_size = (uint32_t)c;
        else if (strcmp(option, "--region") == 0 && numbers == 2)
            config.region_offset = a, config.region_size = b;
        else if (strcmp(option, "--heartbeat") == 0 && numbers == 1)
            config.heartbeat = (uint32_t)a;
        else if (strcmp(option, "--claim-time") == 0 && numbers == 1)
            config.claim_time = (uint32_t)a;
        else if (strcmp(option, "--vector") == 0 && numbers == 1 && a < SERVER_PLACE_VECTORS)
            config.vector = (uint16_t)a;
        else if (strcmp(option, "--limit") == 0 && numbers == 1 && a <= 0xffffffffUL)
            limit = (uint32_t)a;
        else if (strcmp(option, "--name") == 0 && *value != 0)
            name = value;
        else if (strcmp(option, "--open") == 0 && numbers == 2 && opened < CHANNELS / 2)
            slots[opened] = a, lanes[opened++] = b;
        else
            count = 0;
    }
    if (count < 2) {
        fputs(usage, stderr);
        return 2;
    }
    server_place_join(arguments[1], &config);
    if (slot == NULL)
        config.slot = config.id;
    for (i = 0; i < CHANNELS; ++i) {
        servers[i].message = malloc(limit != 0 ? limit : 1);
        if (servers[i].message == NULL)
            server_place_fail("malloc");
    }
    if (ivshmem_peer_begin(&peer, &config) == IVSHMEM_PEER_OK)
        while (!server_place_stopped() && peer.phase == IVSHMEM_PEER_CLAIMING)
            server_place_wait(&peer, IVSHMEM_PEER_NO_LIMIT);
    if (peer.phase == IVSHMEM_PEER_HELD) {
        printf("slot %u of %u, %u lanes, rings of %u bytes\n", (unsigned)peer.slot,
               (unsigned)peer.division.slots, (unsigned)peer.division.lanes,
               (unsigned)peer.division.ring_size);
        fflush(stdout);
        key = ivshmem_peer_offer(&peer, name);
        for (i = 0; i < (int)opened; ++i)
            if (ivshmem_peer_open(&peer, &servers[i].channel, (uint32_t)slots[i],
                                  (uint32_t)lanes[i], limit) == IVSHMEM_PEER_OK)
                servers[i].by_number = true;
    }
    while (!server_place_stopped() && peer.phase == IVSHMEM_PEER_HELD) {
#if IVSHMEM_PEER_TOPICS
        echo_topic(&peer, name);
#endif
        server_place_wait(&peer, IVSHMEM_PEER_NO_LIMIT);
        for (i = 0; i < CHANNELS; ++i) {
            struct server* s = &servers[i];
            if (!s->by_number)
                ivshmem_peer_accept(&peer, &s->channel, key, limit);
            if (s->channel.state != IVSHMEM_PEER_CHANNEL_CLOSED)
                serve(s, limit);
        }
    }
    if (server_place_stopped())
        ivshmem_peer_leave(&peer);
    printf("ended: %d\n", (int)peer.why);
    return peer.why == IVSHMEM_PEER_OK ? 0 : 1;
}
