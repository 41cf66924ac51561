/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

#include "echo.h"
#include "platform.h"
#include "text.h"

enum { RETRY = 100 }; /* milliseconds between searches for the service */

static struct {
    struct ivshmem_peer_channel channel;
    const char* service;
    uint32_t count, period;
    uint32_t answers, sent_at, size;
    bool connected, waits; /* for an answer */
    unsigned char question[1024], answer[LONGEST_MESSAGE];
} client;

void ask_begin(const char* service, uint32_t count, uint32_t period) {
    client.channel = (struct ivshmem_peer_channel){0};
    client.service = service;
    client.count = count;
    client.period = period;
    client.connected = client.waits = false;
    client.answers = 0;
}

static void end(const char* why) {
    say("asked %s of slot %u: %u answers; %s; %u interrupts so far", client.service,
        client.channel.slot, client.answers, why, platform_rings());
    client.connected = client.waits = false;
    client.answers = 0;
    ivshmem_peer_close(&client.channel);
}

static enum ivshmem_peer_result send_question(uint32_t now) {
    enum ivshmem_peer_result result;
    uint32_t i;
    client.size = client.answers * 7 % sizeof client.question;
    for (i = 0; i < client.size; ++i)
        client.question[i] = (unsigned char)(client.answers + i);
    result = ivshmem_peer_send(&client.channel, client.question, client.size);
    client.waits = result == IVSHMEM_PEER_OK;
    client.sent_at = now;
    return result;
}

static enum ivshmem_peer_result receive_answer(void) {
    uint32_t size, i;
    const enum ivshmem_peer_result result =
        ivshmem_peer_receive(&client.channel, client.answer, sizeof client.answer, &size);
    if (result != IVSHMEM_PEER_OK)
        return result;
    client.waits = false;
    ++client.answers;
    for (i = 0; i < size && client.answer[i] == client.question[i]; ++i)
        continue;
    if (size != client.size || i != size)
        say("answer %u is wrong", client.answers);
    return result;
}

uint32_t ask(struct ivshmem_peer* peer, uint32_t now) {
    enum ivshmem_peer_result result = IVSHMEM_PEER_OK;
    if (client.service == NULL)
        return IVSHMEM_PEER_NO_LIMIT;
    if (client.channel.state == IVSHMEM_PEER_CHANNEL_CLOSED &&
        ivshmem_peer_request(peer, &client.channel, client.service, sizeof client.answer) !=
            IVSHMEM_PEER_OK)
        return RETRY;
    while (result == IVSHMEM_PEER_OK) {
        if (!client.waits && client.answers != 0 && client.answers == client.count) {
            end("done");
            client.service = NULL;
            return IVSHMEM_PEER_NO_LIMIT;
        }
        if (!client.waits && client.answers != 0 && now - client.sent_at < client.period)
            return client.period - (now - client.sent_at);
        result = client.waits ? receive_answer() : send_question(now);
        if (result == IVSHMEM_PEER_OK && !client.connected) {
            client.connected = true;
            say("asking %s of slot %u", client.service, client.channel.slot);
        }
    }
    if (result != IVSHMEM_PEER_AGAIN)
        end(ivshmem_peer_in_words(result));
    return RETRY;
}
