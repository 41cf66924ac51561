/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

#include "publish.h"

#include "ivshmem_peer_topics.h"
#include "platform.h"
#include "text.h"

enum { MESSAGES = 16, MOST_SLOTS = 256 };

static struct ivshmem_peer_topic_writer writer;
static uint32_t kept[MESSAGES + MOST_SLOTS];
static uint32_t period, sent_at;

void publish_begin(struct ivshmem_peer* peer, const char* name, uint32_t milliseconds) {
    enum ivshmem_peer_result why;
    writer = (struct ivshmem_peer_topic_writer){0};
    period = milliseconds;
    if (name == NULL)
        return;
    why = ivshmem_peer_topic_create(peer, &writer, name, MESSAGES * 64, kept,
                                    MESSAGES + peer->division.slots);
    say("publishing %s: %s", name, ivshmem_peer_in_words(why));
    sent_at = platform_now() - period; /* the first one at once */
}

/* Writes the digits of a number. @return How many. */
static uint32_t write_number(unsigned char* to, uint32_t number) {
    uint32_t digits = 1, rest, i;
    for (rest = number; rest >= 10; rest /= 10)
        ++digits;
    for (i = digits; i-- > 0; number /= 10)
        to[i] = (unsigned char)('0' + number % 10);
    return digits;
}

uint32_t publish(uint32_t now) {
    unsigned char text[10];
    if (writer.peer == NULL)
        return IVSHMEM_PEER_NO_LIMIT;
    if (now - sent_at >= period) {
        sent_at = now;
        ivshmem_peer_topic_send(&writer, text, write_number(text, now), 0); /* no clock */
    }
    return period - (now - sent_at);
}
