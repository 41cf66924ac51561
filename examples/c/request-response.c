/* SPDX-License-Identifier: BSL-1.0 */
/* SPDX-FileCopyrightText: The libivshmem authors */

/* Call functions of another VM. Each request has an id that its answer repeats, so that quick
   answers overtake slow ones. A request that takes too long is abandoned: as
   ../request-response.cpp.

       request-response DEVICE SLOT server
       request-response DEVICE SLOT client

   On the host, with an ivshmem-server that listens at PATH, two processes:

       ./request-response server:PATH 0 server
       ./request-response server:PATH 1 client */

#include "on_slot.h"

#include <string.h>
#include <time.h>

enum { ADD, MULTIPLY, WAIT_MILLISECONDS, PENDING = 256, REQUESTS = 5, PATIENCE = 2000 };

struct request {
    uint32_t id;
    uint32_t what;
    int64_t a;
    int64_t b;
};
struct response {
    uint32_t id;
    uint32_t understood;
    int64_t value;
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Answers that are due later. */
static struct {
    int client; /* index of a channel; -1: a free entry */
    int64_t due;
    struct response answer;
} pending[PENDING];

static void answer(int client, const struct request* r) {
    struct response result = {r->id, 0, 0};
    int64_t due = 0;
    switch (r->what) { /* a client may send any number */
    case ADD:
        result.understood = !__builtin_add_overflow(r->a, r->b, &result.value);
        break;
    case MULTIPLY:
        result.understood = !__builtin_mul_overflow(r->a, r->b, &result.value);
        break;
    case WAIT_MILLISECONDS:
        if (r->a < 0 || r->a > 3600000)
            break;
        result.understood = 1;
        result.value = r->a;
        due = now_ms() + r->a;
        break;
    }
    for (int i = 0; due != 0 && i < PENDING; ++i)
        if (pending[i].client < 0) {
            pending[i].client = client;
            pending[i].due = due;
            pending[i].answer = result;
            return;
        }
    ivshmem_channel_send(channels[client], &result, sizeof result, 1000);
}

static void end_client(int client) {
    must(ivshmem_channel_close(channels[client]));
    channels[client] = NULL;
    for (int i = 0; i < PENDING; ++i)
        if (pending[i].client == client)
            pending[i].client = -1;
}

/* Sends the answers that are due. Returns how long to wait for the next, in ms. */
static int send_due(void) {
    int64_t wait = LONGEST_WAIT;
    for (int i = 0; i < PENDING; ++i) {
        if (pending[i].client < 0)
            continue;
        const int64_t left = pending[i].due - now_ms();
        if (left <= 0) {
            ivshmem_channel_send(channels[pending[i].client], &pending[i].answer,
                                 sizeof pending[i].answer, 1000);
            pending[i].client = -1;
        } else if (left < wait) {
            wait = left;
        }
    }
    return (int)wait;
}

static void serve(void) {
    const struct ivshmem_channel_options options = {.size = sizeof options,
                                                    .max_message = sizeof(struct request)};
    struct ivshmem_service* service = NULL;
    must(ivshmem_service_open(slot, "request-response", &options, &service));
    struct ivshmem_slot_facts facts = {.size = sizeof facts};
    must(ivshmem_slot_get_facts(slot, &facts));
    printf("answering in slot %u\n", facts.number);
    fflush(stdout);
    for (int i = 0; i < PENDING; ++i)
        pending[i].client = -1;
    while (!stopped) {
        accept_client(service);
        for (int c = 0; c < CHANNELS; ++c)
            while (channels[c] != NULL) {
                struct request r;
                size_t size = 0;
                const int result = ivshmem_channel_try_receive(channels[c], &r, sizeof r, &size);
                if (result == -EAGAIN)
                    break;
                if (result == 0 && size == sizeof r)
                    answer(c, &r);
                else /* the peer is gone, or not a client of this service */
                    end_client(c);
            }
        wait_for_peers(send_due());
    }
}

static void ask(void) {
    static const struct {
        const char* name;
        struct request request;
    } all[REQUESTS] = {
        {"wait for an hour", {0, WAIT_MILLISECONDS, 3600000, 0}},
        {"wait for half a second", {1, WAIT_MILLISECONDS, 500, 0}},
        {"2 + 40", {2, ADD, 2, 40}},
        {"6 * 7", {3, MULTIPLY, 6, 7}},
        {"operation 99", {4, 99, 0, 0}},
    };
    struct ivshmem_channel* const server = connect_to("request-response");
    for (int i = 0; i < REQUESTS; ++i)
        must(ivshmem_channel_send(server, &all[i].request, sizeof all[i].request, PATIENCE));
    int answered[REQUESTS] = {0};
    const int64_t end = now_ms() + PATIENCE;
    for (int64_t left = PATIENCE; left > 0; left = end - now_ms()) {
        struct response r;
        size_t size = 0;
        const int result = ivshmem_channel_receive(server, &r, sizeof r, &size, (int)left);
        if (result == IVSHMEM_TIMED_OUT)
            break;
        must(result);
        if (size != sizeof r || r.id >= REQUESTS || answered[r.id])
            continue;
        answered[r.id] = 1;
        if (r.understood)
            printf("%s: %lld\n", all[r.id].name, (long long)r.value);
        else
            printf("%s: not understood\n", all[r.id].name);
        fflush(stdout);
    }
    for (int i = 0; i < REQUESTS; ++i)
        if (!answered[i])
            printf("%s: no answer in time\n", all[i].name);
}

int main(int argc, char** argv) {
    program = "request-response";
    const char* const what = argc == 4 ? argv[3] : "";
    if (strcmp(what, "server") != 0 && strcmp(what, "client") != 0) {
        fputs("usage: request-response DEVICE SLOT server|client\n", stderr);
        return 2;
    }
    enter(argv[1], argv[2]);
    strcmp(what, "server") == 0 ? serve() : ask();
    return 0;
}
